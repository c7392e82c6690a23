"""The gate on real trainings without any effect: placebo plans forced where nothing is wrong and a score can move.

    python scripts/bench_placebo.py [--placebos 60] [--max-seeds 8] [--workers 1] [--json]

Each world's corpus is cut until a model trained on it is right in .6 to .8 of the items of as many skills as possible:
of champions that know everything nearly every gain is exactly zero, whatever the gate does. A placebo names one of
those skills, which fails for want of rows and not for what is blamed, and blames rows that were marked at random; as
many of them are added or raised as by a fix, and it is trained beside its controls and judged like one, with a ledger
of its own. Every acceptance is an error. The champions of a world are trained once; a placebo is nine trainings of some
seconds, or up to 24 where the judgement looks at more seeds of each arm (`--max-seeds 3`: one look). Everything is kept
in `runs/placebo-moving`: a stopped run goes on. About half a minute a placebo on 2 cores, and a quarter of an hour for
the champions.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from statistics import fmean

from pydantic import TypeAdapter

from controller.cli.compose import composed_prove
from controller.engine import logs
from controller.engine.artifacts import Artifact
from controller.engine.hashes import hash_of
from controller.engine.versions import code_version
from controller.loop.diagnosing import DiagnosedRound, diagnose_round
from controller.loop.models import base_model, initial_model, measure_model, read_champion, write_champion
from controller.loop.proposing import agree, propose_round, spent_look
from controller.loop.run import opened
from controller.loop.trial.judged import try_and_judge
from controller.prove.ground import loop_settings, write_ground
from controller.prove.planting import Row, plant
from controller.results.arm_names import CHALLENGER
from controller.results.verdict_json import LookRecord
from controller.settings import LoopSettings
from controller.stages.model import Model
from diagnose.finding.finding import Cause, Diagnosis, Examples, Finding
from diagnose.slices.data.data_slice import DataSlice
from diagnose.slices.predicate import Slice
from evals.fixtures.worlds import ASKED_WORLDS
from evals.splits import Split
from evals.statistics.intervals import Interval, wilson
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight
from interventions.plan.attempts import Attempts

MOST_ACCEPTED = 3
"""Of 60: with probability .94 where one in forty is accepted."""
WORLDS = tuple(name for name in ASKED_WORLDS if name not in ("rewrites", "ladder"))
"""Without those that are kept unopened for judging diagnoses."""
MARKS = "abcd"
"""A placebo blames the rows of one mark: a random quarter."""
KEPT = (1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32)
"""Shares of a world's corpus that are tried."""
MOST_BETWEEN = 6
"""Most further shares, each between two that were tried."""
LOW, HIGH = 0.6, 0.8
"""Scores of a champion on the skills that placebos name."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A world with few rows, and the model that was trained on them."""

    settings: LoopSettings
    champion: Model
    skills: tuple[str, ...]
    """Those on which the champion scores from `LOW` to `HIGH`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    number: int
    world: str
    kind: str
    skill: str
    before: float
    """The champion's score on the endpoint."""
    can_move: bool
    """Some training of some arm scores otherwise than another."""
    decision: str
    gain: float
    p: float
    reason: str
    num_seeds: int
    """Of each arm, where the judgement ended."""
    looks: tuple[LookRecord, ...]
    code_version: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--placebos", type=int, default=60)
    parser.add_argument("--max-seeds", type=int, default=8, help="`verify.max_seeds`")
    parser.add_argument("--workers", type=int, help="as many as fit, if left out")
    parser.add_argument("--work", type=Path, default=Path("runs/placebo-moving"))
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    options = parser.parse_args()
    logs.quiet_libraries()
    per_world = -(-options.placebos // len(WORLDS))
    outcomes = []
    grounds: dict[str, Ground] = {}
    for number in range(options.placebos):
        work = options.work.absolute() / code_version()
        outcome = play(number, per_world, work, grounds, options.max_seeds, options.workers)
        outcomes.append(outcome)
        if not options.json:
            print(
                f"{number:3d} {outcome.world:<9} {outcome.kind:<8} {outcome.skill:<10} {outcome.before:.3f} "
                f"{outcome.decision:<9} {outcome.gain:+.3f} p = {outcome.p:.3f} at {outcome.num_seeds} seeds",
                flush=True,
            )
    accepted = sum(outcome.decision == "accepted" for outcome in outcomes)
    moving = sum(outcome.can_move for outcome in outcomes)
    rate = wilson(accepted, len(outcomes))
    if options.json:
        told = {"accepted": accepted, "low": rate.low, "high": rate.high, "can_move": moving}
        print(json.dumps(told | {"outcomes": [*map(asdict, outcomes)]}))
        return
    kinds = ", ".join(f"{kind} {count}" for kind, count in Counter(o.kind for o in outcomes).items())
    print(
        f"{accepted} of {len(outcomes)} accepted, [{rate.low:.3f}, {rate.high:.3f}]; {kinds}; the gain could move in "
        f"{moving}, and was exactly zero in {sum(outcome.gain == 0 for outcome in outcomes)}; "
        f"{fmean(outcome.num_seeds for outcome in outcomes):.2f} seeds of each arm on average"
    )
    if len(outcomes) >= 60 and accepted > MOST_ACCEPTED * len(outcomes) / 60:
        raise SystemExit("more than chance allows")


def play(
    number: int, per_world: int, work: Path, grounds: dict[str, Ground], max_seeds: int, workers: int | None
) -> Outcome:
    """One placebo; the verdict of an earlier call is read.

    Args:
        number: Of the placebo, which decides its world, kind and skill.
        per_world: Placebos of a world, each with marks of its own.
        work: Where everything of this code is kept.
        grounds: Of the worlds that were needed so far; the next one is added.
        max_seeds: `verify.max_seeds`; champions are the same for all.
        workers: Processes that train.
    """
    rng = Random(f"placebo {number}")
    world = ASKED_WORLDS[WORLDS[number % len(WORLDS)]]
    intervention = rng.choice((Retrieve(num_examples=200), Reweight(share=0.4)))
    folder = work / world.name / f"{number}-to-{max_seeds}"
    kept = folder / "outcome.json"
    if kept.is_file():
        return TypeAdapter(Outcome).validate_json(kept.read_bytes())
    if world.name not in grounds:
        grounds[world.name] = _ground(world.name, work / world.name, per_world, workers)
    ground = grounds[world.name]
    skill, champion = rng.choice(ground.skills), ground.champion
    settings = replace(
        ground.settings,
        interventions=intervention,
        verify=replace(ground.settings.verify, max_seeds=max_seeds),
        seed=number + 1,
        run_dir=str(folder / "run"),
    )
    mark = Slice(((f"mark_{number // len(WORLDS)}", rng.choice(MARKS)),))
    with opened(settings, folder / "run") as run:
        diagnosed = diagnose_round(run, champion, measure_model(run, champion, Split.PROBE, "measure-probe"))
        blamed = _blaming(diagnosed, Slice((("task", f"{world.name}_{skill}"),)), mark, folder / "placebo")
        proposal = propose_round(run, champion, blamed, Attempts(), 0)
        before = measure_model(run, champion, Split.SELECT, "measure-select")
        agreed = agree(run, proposal, before, spent_look(run, proposal, before), {})
        verdict = try_and_judge(run, proposal, agreed, before, {}, 0).verdict
    assert verdict.gain is not None, "three seeds an arm are judged"
    outcome = Outcome(
        number=number,
        world=world.name,
        kind=proposal.plan.actions[0].kind,
        skill=skill,
        before=verdict.arms["before"].score,
        can_move=len({score for arm in verdict.arms.values() for score in arm.seeds}) > 1,
        decision=verdict.decision.value,
        gain=verdict.gain.mean,
        p=verdict.gain.p,
        reason=verdict.reason,
        num_seeds=len(verdict.arms[CHALLENGER].seeds),
        looks=verdict.looks,
        code_version=code_version(),
    )
    kept.write_bytes(TypeAdapter(Outcome).dump_json(outcome))
    return outcome


def _ground(world_name: str, folder: Path, per_world: int, workers: int | None) -> Ground:
    """The share of the corpus with most skills in the band, of equals the largest. Between a share that teaches too
    much and one that teaches too little, their geometric mean is tried until one leaves a skill in the band."""
    tried: dict[float, float] = {}
    """Mean score by share."""

    def add(share: float) -> Ground:
        part = folder / f"of-{1 / share:g}"
        settings = _given(world_name, part, per_world, share, workers)
        champion, scores = _measured_champion(settings, part / "champion")
        own = [scores[skill.name] for skill in ASKED_WORLDS[world_name].skills]
        skills = tuple(name for name in scores if LOW <= scores[name] <= HIGH)
        tried[share] = fmean(own)
        return Ground(settings, champion, skills)

    found = [add(share) for share in KEPT]
    while not any(ground.skills for ground in found) and len(found) < len(KEPT) + MOST_BETWEEN:
        above = min((share for share, score in tried.items() if score > HIGH), default=1.0)
        below = max((share for share, score in tried.items() if score <= HIGH), default=min(KEPT) / 2)
        between = (above * below) ** 0.5
        if between in tried:  # scores do not rise with the rows
            break
        found.append(add(between))
    best = max(found, key=lambda ground: len(ground.skills))
    if not best.skills:
        raise SystemExit(f"{world_name}: no share of its corpus leaves a skill at {LOW} to {HIGH}; add shares to KEPT")
    return best


def _given(world_name: str, folder: Path, per_world: int, share: float, workers: int | None) -> LoopSettings:
    """The clean world with a share of its corpus, rows marked at random once for each placebo."""
    world = ASKED_WORLDS[world_name]
    settings = composed_prove([f"world={world_name}", "scenario=clean"])
    planted, rng = plant(world, settings.prove.scenario, 0), Random(f"marks of {world_name}")
    marks = [f"mark_{number}" for number in range(per_world)]
    train = rng.sample(planted.train, round(share * len(planted.train)))

    def marked(rows: Sequence[Row]) -> tuple[Row, ...]:
        return tuple(row | {mark: rng.choice(MARKS) for mark in marks} for row in rows)

    write_ground(replace(planted, train=marked(train), pool=marked(planted.pool)), world, folder / "given")
    given = loop_settings(settings, world, folder / "given", folder / "champion")
    return replace(given, corpus=replace(given.corpus, slices=[*given.corpus.slices, *marks]), workers=workers)


def _measured_champion(settings: LoopSettings, folder: Path) -> tuple[Model, dict[str, float]]:
    """The model of round 0, and its score on each skill's probe items; both kept."""
    kept = folder / "scores.json"
    if not kept.is_file():
        with opened(settings, folder) as run:
            model = initial_model(run, base_model(run))
            write_champion(model, folder)
            probe = measure_model(run, model, Split.PROBE, "measure-probe").report
        scores: dict[str, list[float]] = {task: [] for task in settings.evals.tasks}
        for result in probe.results:
            scores.get(result.item.task, []).append(result.score)
        kept.write_text(json.dumps({task.partition("_")[2]: fmean(found) for task, found in scores.items()}))
    return read_champion(folder), json.loads(kept.read_text())


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
    return replace(diagnosed, diagnosis=diagnosis, artifact=Artifact(folder, hash_of(text.decode())))


if __name__ == "__main__":
    main()
