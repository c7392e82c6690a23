"""The gate on real trainings without any effect: placebo plans forced on worlds in which nothing is wrong.

    python scripts/bench_placebo.py [--placebos 60] [--json]

A placebo names a skill that does not fail and blames rows that were marked at random; as many of them are added or
raised as by a fix, and it is trained beside its controls and judged like one, with a ledger of its own. Every
acceptance is an error. The champion of each world is trained once; a placebo is nine trainings of some seconds.
Everything is kept in `runs/placebo`: a stopped run goes on. About half a minute a placebo on 2 cores.
"""

import argparse
import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

from pydantic import TypeAdapter

from controller import logs
from controller.budget import Books
from controller.compose_settings import composed
from controller.hashes import hash_of
from controller.journal.store import code_version
from controller.model import CHAMPION_FILE, Model, base_model, initial_model, read_champion, write_champion
from controller.prove.ground import loop_settings, write_ground
from controller.prove.planting import Row, plant
from controller.rounds import (
    DiagnosedRound,
    agree,
    diagnose_round,
    measure_model,
    propose_round,
)
from controller.run import open_run
from controller.runner import Runner
from controller.settings import LoopSettings
from controller.trial import judge_round, try_arms
from controller.tried import Tried
from controller.workers import Workers
from diagnose.finding import Cause, DataSlice, Diagnosis, Examples, Finding, Interval
from diagnose.slices import Slice
from evals.intervals import wilson
from evals.splits import Split
from evals.worlds import WORLDS
from interventions.retrieve import Retrieve
from interventions.reweight import Reweight

MOST_ACCEPTED = 3
"""Of 60: with probability .94 where one in forty is accepted."""
MARKS = "abcd"
"""A placebo blames the rows of one mark: a random quarter."""


@dataclass(frozen=True, slots=True)
class Outcome:
    number: int
    world: str
    kind: str
    skill: str
    decision: str
    gain: float
    p: float
    reason: str
    code_version: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--placebos", type=int, default=60)
    parser.add_argument("--work", type=Path, default=Path("runs/placebo"))
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    options = parser.parse_args()
    logs.quiet_libraries()
    per_world = -(-options.placebos // len(WORLDS))
    outcomes = []
    for number in range(options.placebos):
        outcome = play(number, per_world, options.work.absolute())
        outcomes.append(outcome)
        if not options.json:
            print(
                f"{number:3d} {outcome.world:<9} {outcome.kind:<8} {outcome.skill:<10} {outcome.decision:<9} "
                f"{outcome.gain:+.3f} p = {outcome.p:.3f}",
                flush=True,
            )
    accepted = sum(outcome.decision == "accepted" for outcome in outcomes)
    rate = wilson(accepted, len(outcomes))
    if options.json:
        print(
            json.dumps({"accepted": accepted, "low": rate.low, "high": rate.high, "outcomes": [*map(asdict, outcomes)]})
        )
        return
    kinds = ", ".join(f"{kind} {count}" for kind, count in Counter(o.kind for o in outcomes).items())
    print(f"{accepted} of {len(outcomes)} accepted, [{rate.low:.3f}, {rate.high:.3f}]; {kinds}")
    if len(outcomes) >= 60 and accepted > MOST_ACCEPTED * len(outcomes) / 60:
        raise SystemExit("more than chance allows")


def play(number: int, per_world: int, work: Path) -> Outcome:
    """One placebo; the verdict of an earlier call with the same code is read."""
    rng = Random(f"placebo {number}")
    names = list(WORLDS)
    world = WORLDS[names[number % len(names)]]
    intervention = rng.choice((Retrieve(num_examples=200), Reweight(share=0.4)))
    skill = rng.choice([skill.name for skill in world.skills])
    folder = work / world.name / str(number)
    kept = folder / "outcome.json"
    if kept.is_file():
        outcome = TypeAdapter(Outcome).validate_json(kept.read_bytes())
        if outcome.code_version == code_version():
            return outcome
    settings = _given(world.name, work / world.name, per_world)
    champion = _champion(settings, work / world.name / "champion")
    settings = replace(settings, interventions=intervention, seed=number + 1, run_dir=str(folder / "run"))
    mark = Slice(((f"mark_{number // len(names)}", rng.choice(MARKS)),))
    books = Books(settings.budget)
    with Workers(settings.workers) as workers:
        run = open_run(settings, folder / "run", Runner(folder / "run", workers, books.check_time), books)
        diagnosed = diagnose_round(run, champion, measure_model(run, champion, Split.PROBE, "measure-probe"))
        blamed = _blaming(diagnosed, Slice((("task", f"{world.name}_{skill}"),)), mark, folder / "placebo")
        proposal = propose_round(run, champion, blamed, Tried(), 0)
        before = measure_model(run, champion, Split.SELECT, "measure-select")
        agreed = agree(run, proposal, before)
        verdict = judge_round(run, proposal, agreed, try_arms(run, champion, proposal, 0), before, ()).verdict
    assert verdict.gain is not None, "three seeds an arm are judged"
    outcome = Outcome(
        number=number,
        world=world.name,
        kind=proposal.plan.actions[0].kind,
        skill=skill,
        decision=verdict.decision.value,
        gain=verdict.gain.mean,
        p=verdict.gain.p,
        reason=verdict.reason,
        code_version=code_version(),
    )
    kept.write_bytes(TypeAdapter(Outcome).dump_json(outcome))
    return outcome


def _given(world_name: str, folder: Path, per_world: int) -> LoopSettings:
    """The clean world, its rows marked at random once for each placebo."""
    world = WORLDS[world_name]
    settings = composed([f"world={world_name}", "scenario=clean"])
    planted, rng = plant(world, settings.prove.scenario, 0), Random(f"marks of {world_name}")
    marks = [f"mark_{number}" for number in range(per_world)]

    def marked(rows: tuple[Row, ...]) -> tuple[Row, ...]:
        return tuple(row | {mark: rng.choice(MARKS) for mark in marks} for row in rows)

    write_ground(replace(planted, train=marked(planted.train), pool=marked(planted.pool)), world, folder / "given")
    given = loop_settings(settings, world, folder / "given", folder / "champion")
    return replace(given, corpus=replace(given.corpus, slices=[*given.corpus.slices, *marks]))


def _champion(settings: LoopSettings, folder: Path) -> Model:
    if not (folder / CHAMPION_FILE).is_file():
        books = Books(settings.budget)
        with Workers(settings.workers) as workers:
            run = open_run(settings, folder, Runner(folder, workers, books.check_time), books)
            write_champion(initial_model(run, base_model(run)), folder)
    return read_champion(folder)


def _blaming(diagnosed: DiagnosedRound, items: Slice, rows: Slice, folder: Path) -> DiagnosedRound:
    """A diagnosis that names items which do not fail and rows that have nothing to do with them."""
    finding = Finding(
        slice=items,
        data_slice=rows,
        num_items=1,
        num_failed=1,
        failure_rate=1.0,
        ci=Interval(0.0, 1.0),
        p_adjusted=1.0,
        modes={},
        causes={Cause.UNDERWEIGHTED: 1.0},
        data_slices=(DataSlice(rows, 1.0, Interval(0.5, 1.0), 0, 0),),
        named_by={},
        tests=(),
        evidence={"fair_share": 0.4},
        examples=Examples((), ()),
        failed_items=(),
        queries=(),
    )
    diagnosis = Diagnosis((finding,), 1, 1, 0)
    text = TypeAdapter(Diagnosis).dump_json(diagnosis)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "diagnosis.json").write_bytes(text)
    return replace(diagnosed, diagnosis=diagnosis, folder=folder, digest=hash_of(text.decode()))


if __name__ == "__main__":
    main()
