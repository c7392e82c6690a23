"""Which causes are true in each scenario of each world, by retraining: python scripts/verify_scenarios.py

A cause is the repair that would work: its own minimal repair closes at least half of the gap between the planted corpus
and the oracle (the recipe on the repaired corpus). For each scenario and world every repair that changes anything is
trained from new weights, with `--seeds` seeds where one does not tell plainly; what needs no training (an extractor, an
edited cue) is measured on the planted model. Results go to `controller/prove/verified.json`, one entry for each world
and scenario; what is there already is kept unless `--again` is given. Stages are kept in `runs/verify`: a stopped run
goes on.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from controller.cli.compose import CONF, composed_prove
from controller.data.named_corpus import TASKS
from controller.engine import logs
from controller.engine.budget import Books
from controller.engine.runner import Runner
from controller.engine.versions import code_version
from controller.engine.workers.pool import Workers
from controller.loop.models import base_model, initial_job, measure_model, train_models
from controller.loop.run import Run, open_run
from controller.prove.ground import loop_settings, on_rows, write_ground
from controller.prove.planting import Planted, Row, plant
from controller.prove.prover import planted_skills
from controller.prove.scores import mean_score, scores_by_skill, skill_of
from controller.prove.settings import ProveSettings
from controller.prove.truth import VERIFIED
from controller.prove.worlds import meaningless
from controller.settings import LoopSettings
from diagnose.finding.finding import Cause
from evals.fixtures.worlds import WORLDS
from evals.fixtures.worlds.world import World
from evals.items import ItemResult
from evals.splits import Split

CLOSES = 0.5
UNCLEAR = 0.25
"""A share nearer to one half than this is measured with a second seed."""
LACKING = 0.5
"""Shortfall from its fair share of rows beyond which a skill lacks rows, whatever else is wrong with them."""
LONGER = 2
"""How many times as long the same data is trained on, for `training_setup`."""
CLEAN_SEEDS = 5
JUDGED_BY_LINES_OF_THEIR_OWN = ("forgetting_trap", "two_defects")
"""Their truth is that of the defects that they are made of."""

Results = Sequence[ItemResult]


@dataclass(frozen=True, slots=True)
class Variant:
    """One corpus and one recipe."""

    name: str
    rows: Sequence[Row]
    settings: LoopSettings


@dataclass(frozen=True, slots=True)
class Bench:
    """Trains variants side by side."""

    folder: Path
    workers: Workers

    def play(
        self, jobs: Sequence[tuple[Variant, int]], splits: Sequence[Split] = (Split.SELECT,)
    ) -> dict[tuple[str, int], list[ItemResult]]:
        """Each variant trained from new weights with its seed: what it answers, by variant and seed."""
        if not jobs:
            return {}
        books = Books(jobs[0][0].settings.budget)
        runner = Runner(self.folder, self.workers, books)
        runs = {v.name: self._open(v, runner) for v, _ in jobs}
        trainings = [initial_job(runs[v.name], base_model(runs[v.name], seed), seed) for v, seed in jobs]
        trained = train_models(runs[jobs[0][0].name], trainings, "train_initial", "the variants")
        answers: dict[tuple[str, int], list[ItemResult]] = {}
        for (v, seed), one in zip(jobs, trained, strict=True):
            run = runs[v.name]
            reports = [measure_model(run, one.model, split, f"measure-{v.name}-{seed}").report for split in splits]
            answers[v.name, seed] = [r for report in reports for r in report.results]
        return answers

    def _open(self, variant: Variant, runner: Runner) -> Run:
        file = self.folder / "rows" / f"{variant.name}.jsonl"
        return open_run(on_rows(variant.settings, variant.rows, file, self.folder), self.folder, runner)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = sorted(
        path.stem for path in (Path(CONF) / "scenario").glob("*.yaml") if path.stem not in JUDGED_BY_LINES_OF_THEIR_OWN
    )
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--scenarios", nargs="+", default=known, choices=known)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--out", type=Path, default=VERIFIED, help="to be written and not repeated")
    parser.add_argument("--work", type=Path, default=Path("runs/verify"))
    options = parser.parse_args()
    logs.quiet_libraries()
    for world in options.worlds:
        for scenario in options.scenarios:
            verified = json.loads(options.out.read_text()) if options.out.is_file() else {}
            if scenario in verified.get(world, {}) and not options.again:
                continue
            settings = composed_prove([f"world={world}", f"scenario={scenario}"])
            if (reason := meaningless(settings, WORLDS[world])) is not None:
                print(f"left out: {reason}", flush=True)
                continue
            folder = (options.work / world / scenario).absolute()
            with Workers(None) as workers:
                entry = verify(WORLDS[world], settings, options.seeds, Bench(folder, workers))
            verified.setdefault(world, {})[scenario] = entry
            options.out.write_text(json.dumps(verified, indent=1) + "\n")
            print(f"{world} {scenario}: {json.dumps(entry)}", flush=True)


def verify(world: World, settings: ProveSettings, num_seeds: int, bench: Bench) -> dict[str, object]:
    """What stands in `verified.json` for one scenario of one world."""
    planted = plant(world, settings.prove.scenario, 0)
    write_ground(planted, world, bench.folder / "given")
    given = loop_settings(settings, world, bench.folder / "given", bench.folder)
    if settings.prove.scenario.name == "clean":
        return _verify_clean(world, Variant("clean", planted.train, given), bench)
    skills = planted_skills(world, settings.prove.scenario) or [skill.name for skill in world.skills]
    base, oracle = Variant("base", planted.train, given), _oracle(planted, settings, given)
    repairs = _repairs(world, planted, given, skills, settings.prove.scenario.causes)
    seeds = range(num_seeds)
    first = bench.play([(v, seed) for v in (base, oracle) for seed in seeds] + [(v, 0) for v in repairs])
    low, high = (
        float(np.mean([mean_score(world, skills, first[v.name, seed]) for seed in seeds])) for v in (base, oracle)
    )

    def closed_by(runs: Sequence[Results]) -> float:
        return (float(np.mean([mean_score(world, skills, run) for run in runs])) - low) / max(high - low, 1e-9)

    closed = {v.name: closed_by([first[v.name, 0]]) for v in repairs}
    unclear = [v for v in repairs if abs(closed[v.name] - CLOSES) < UNCLEAR]
    more = bench.play([(v, seed) for v in unclear for seed in seeds[1:]])
    closed |= {v.name: closed_by([first[v.name, 0], *(more[v.name, seed] for seed in seeds[1:])]) for v in unclear}
    runs = [first[base.name, seed] for seed in seeds]
    recovered = {
        Cause.FORMAT: _recovered_by_extractor(world, runs, skills),
        Cause.SHORTCUT: _flipped_by_cue(planted, world, base, runs, bench),
    }
    return {
        "causes": _causes(closed, recovered, settings, high - low),
        "before": low,
        "oracle": high,
        "gap": high - low,
        "closed": closed,
        "recovered": {cause.value: share for cause, share in recovered.items()},
        "seeds": num_seeds,
        "code_version": code_version(),
    }


def _verify_clean(world: World, variant: Variant, bench: Bench) -> dict[str, object]:
    runs = bench.play([(variant, seed) for seed in range(CLEAN_SEEDS)], (Split.PROBE, Split.SELECT)).values()
    of_run = [scores_by_skill(world, run) for run in runs]
    scores = {skill.name: [found[skill.name] for found in of_run] for skill in world.skills}
    lowest = min(float(np.mean(of_skill)) for of_skill in scores.values())
    return {"causes": [], "scores": scores, "lowest": lowest, "code_version": code_version()}


def _causes(
    closed: Mapping[str, float], recovered: Mapping[Cause, float], settings: ProveSettings, gap: float
) -> list[str]:
    """By the definitions, in the order of `Cause`; those by construction are taken as the scenario declares them."""
    scenario = settings.prove.scenario
    found = {cause.value for cause, share in recovered.items() if share >= CLOSES}
    found |= {Cause(c).value for c in scenario.causes if c in _BY_CONSTRUCTION}
    if gap >= CLOSES / 5:
        found |= {cause for cause, share in closed.items() if share >= CLOSES}
        if Cause.UNDERWEIGHTED in found:  # raising the existing rows does close: their lack is not the cause
            found.discard(Cause.MISSING_DATA)
    return [cause.value for cause in Cause if cause.value in found]


_BY_CONSTRUCTION = (Cause.TRAINING_SETUP, Cause.CONTAMINATION, Cause.WRONG_GOLD)


def _oracle(planted: Planted, settings: ProveSettings, given: LoopSettings) -> Variant:
    """The repaired corpus under a recipe without a defect."""
    clean = composed_prove([f"world={settings.prove.world}", "scenario=clean"])
    return Variant("oracle", planted.repaired, replace(given, train=clean.train, model=clean.model))


def _repairs(
    world: World, planted: Planted, given: LoopSettings, skills: Sequence[str], causes: Sequence[str]
) -> list[Variant]:
    """The minimal repair of each cause, where it changes anything.

    Where the defect is not in the data, the one cause that needs a training is `capacity`; what holds by construction
    needs none.
    """
    if any(cause in _BY_CONSTRUCTION for cause in causes):
        return []
    rows = planted.train
    wide = {name: 2 * given.model.arch[name] for name in ("hidden_size", "intermediate_size")}
    wider = Variant(
        Cause.CAPACITY.value, rows, replace(given, model=replace(given.model, arch={**given.model.arch, **wide}))
    )
    if sorted(map(str, rows)) == sorted(map(str, planted.repaired)):
        return [wider]
    distinct = list({(row["prompt"], row["completion"]): row for row in rows}.values())
    right = {row["prompt"]: row["completion"] for row in planted.repaired}
    dressed = world.asking.dressed if world.asking is not None else None
    is_dressed = dressed is not None and any(dressed(right.get(row["prompt"], "")) == row["completion"] for row in rows)
    corrected = [row for row in rows if is_dressed or right.get(row["prompt"], row["completion"]) == row["completion"]]
    mine = [row for row in rows if planted.skill_of.get(row["prompt"]) in skills]
    more = [row for row in planted.pool if planted.skill_of.get(row["prompt"]) in skills]
    train = given.train
    longer = replace(train, max_steps=LONGER * (train.max_steps or 0), tokens=None)
    repairs = [Variant(Cause.TRAINING_SETUP.value, rows, replace(given, train=longer))]
    if len(corrected) < len(rows):
        repairs.append(Variant(Cause.WRONG_LABELS.value, corrected, given))
    if len(distinct) < len(rows):
        repairs.append(Variant(Cause.DUPLICATES.value, distinct, given))
    fair = len(skills) / len(world.skills)
    if mine and len(mine) / len(rows) < fair:
        # As many copies as give the slice its fair share of the draws.
        number = round((fair * len(rows) - len(mine)) / (1 - fair))
        copies = [mine[k % len(mine)] for k in range(number)]
        repairs.append(Variant(Cause.UNDERWEIGHTED.value, [*rows, *copies], given))
    if len(mine) / len(rows) < (1 - LACKING) * fair:
        repairs.append(Variant(Cause.MISSING_DATA.value, [*rows, *more], given))
    repairs.append(wider)
    return repairs


def _recovered_by_extractor(world: World, runs: Sequence[Results], skills: Sequence[str]) -> float:
    """Share of the failed answers that the world's extractor makes right; 0 where nothing is asked."""
    if world.asking is None:
        return 0.0
    undress = world.asking.undress
    failed = [r for run in runs for r in run if r.is_failed and skill_of(world, r.item.task, r.item.document) in skills]
    found = [(re.search(undress, result.answer), result.item.target) for result in failed]
    return float(np.mean([match is not None and match.group(1) == gold for match, gold in found])) if failed else 0.0


def _flipped_by_cue(planted: Planted, world: World, base: Variant, runs: Sequence[Results], bench: Bench) -> float:
    """Share of the failing answers that turn right when the cue shows the right answer; 0 without a cue."""
    if not planted.honest:
        return 0.0
    edited = {
        name: tuple(row | {"prompt": planted.honest.get(row["prompt"], row["prompt"])} for row in rows)
        for name, rows in planted.items.items()
    }
    write_ground(replace(planted, items=edited), world, bench.folder / "edited")
    suite = replace(base.settings.evals, include_path=str(bench.folder / "edited" / TASKS))
    honest = replace(base, settings=replace(base.settings, evals=suite))
    # An edited item may be in any split; sealed ones stay closed.
    asked = bench.play([(honest, seed) for seed in range(len(runs))], (Split.PROBE, Split.SELECT))
    flipped = []
    for seed, run in enumerate(runs):
        is_right = {result.item.prompt: not result.is_failed for result in asked[base.name, seed]}
        prompts = [planted.honest.get(result.item.prompt) for result in run if result.is_failed]
        flipped += [is_right[prompt] for prompt in prompts if prompt in is_right]
    return float(np.mean(flipped)) if flipped else 0.0


if __name__ == "__main__":
    main()
