"""The skills of the proving ground's worlds as programs that write rows, for `interventions.programs`.

    evalmend prove scenario=no_pool world=tables interventions.programs=scripts/world_programs.py

A difficulty is a place among the kinds that a skill's exercises have, shortest prompts first; the checker is the
world's own, which reads the prompt alone.
"""

from collections.abc import Callable, Mapping
from random import Random

from evals.fixtures.worlds import ASKED_WORLDS
from evals.fixtures.worlds.world import Skill, World
from interventions.makers.row import Row
from interventions.program import Program

_ASKED, _ATTEMPTS = 200, 50


def _kinds(skill: Skill) -> list[str]:
    rng = Random(skill.name)
    lengths: dict[str, list[int]] = {}
    for _ in range(_ASKED):
        exercise = skill.make(rng)
        lengths.setdefault(exercise.kind, []).append(len(exercise.prompt.split()))
    return sorted(lengths, key=lambda kind: (sum(lengths[kind]) / len(lengths[kind]), kind))


def _maker(world: World, skill: Skill, kinds: list[str]) -> Callable[[Mapping[str, str], int, Random], Row | None]:
    def make(where: Mapping[str, str], difficulty: int, rng: Random) -> Row | None:
        del where  # rows outside the slice are left out by who asks
        for _ in range(_ATTEMPTS):
            exercise = skill.make(rng)
            if exercise.kind == kinds[difficulty]:
                fields = {"skill": skill.name, "kind": exercise.kind}
                return Row(exercise.prompt, exercise.completion, {name: fields[name] for name in world.fields})
        return None

    return make


def _program(world: World, skill: Skill) -> Program:
    kinds = _kinds(skill)
    make = _maker(world, skill, kinds)
    return Program(f"{world.name} {skill.name}", make, skill.accepts, difficulties=range(len(kinds)))


PROGRAMS = [_program(world, skill) for world in ASKED_WORLDS.values() for skill in world.skills]
