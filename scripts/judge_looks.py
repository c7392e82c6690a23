"""Fixes of the proving ground against four controls, judged with looks and by the first three seeds of each arm.

    python scripts/judge_looks.py [--fixes 10] [--workers 1] [--json]

The scenarios are those in which rows can be drawn for `random`, `stratified`, `bm25` and `shuffled`, in the world
`tables`; the fixes are the first seeds of all five in turn, from 600 on, so how many are judged says nothing of which.
Each is diagnosed, proposed and trained as by `evalmend prove`, without the oracle, with `verify.max_seeds=8`. The
verdict of the first three seeds is what one look gives of the same models at the whole level. Everything is kept in
`runs/judge-looks`: a stopped run goes on. Five to ten minutes a fix on two cores.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean

from pydantic import TypeAdapter

from controller.cli.compose import composed_prove
from controller.engine import logs
from controller.engine.versions import code_version
from controller.loop.diagnosing import diagnose_round
from controller.loop.models import base_model, initial_model, measure_model
from controller.loop.pilots.causes import settle_causes
from controller.loop.pilots.share import settle_share
from controller.loop.proposing import agree, propose_round, spent_look
from controller.loop.run import Run, opened
from controller.loop.trial.judged import JudgedRound, try_and_judge
from controller.prove.ground import loop_settings, write_ground
from controller.prove.planting import plant
from controller.results.arm_names import WHOLE, WITHOUT
from controller.results.verdict_json import LookRecord, VerdictRecord
from controller.settings import LoopSettings
from controller.verdict.arm_scores import Arm
from controller.verdict.enough import with_random
from controller.verdict.judge import Contest, judge
from evals.fixtures.worlds import WORLDS
from evals.items import EvalReport
from evals.splits import Split
from interventions.plan.attempts import Attempts

WORLD = "tables"
SCENARIOS = ("missing_skill", "starved_skill", "wrong_labels", "shortcut", "rare_in_pool")
ARMS = ("continue", "random", "stratified", "bm25", "shuffled")
FIRST_SEED = 600
MAX_SEEDS = 8


@dataclass(frozen=True, slots=True)
class Ruled:
    """What a verdict says of a fix."""

    decision: str
    gain: float
    """Over the hardest control."""
    ci: tuple[float, float]
    p: float
    control: str
    level: float
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    scenario: str
    seed: int
    actions: tuple[str, ...]
    first_seeds: Ruled
    """By one look at the first `verify.seeds` of each arm."""
    with_looks: Ruled
    num_seeds: int
    """Of each arm, where the judgement ended."""
    looks: tuple[LookRecord, ...]
    scores: dict[str, tuple[float, ...]]
    """Of each arm's seeds on the endpoint."""
    code_version: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixes", type=int, default=10)
    parser.add_argument("--workers", type=int, help="as many as fit, if left out")
    parser.add_argument("--work", type=Path, default=Path("runs/judge-looks"))
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    options = parser.parse_args()
    logs.quiet_libraries()
    outcomes = []
    if not options.json:
        print(
            "| scenario | seed | what is done | three seeds | with looks | seeds | gains at the looks |\n"
            + "|---" * 7
            + "|"
        )
    for number in range(options.fixes):
        turn, place = divmod(number, len(SCENARIOS))
        folder = options.work.absolute() / code_version() / f"{SCENARIOS[place]}-{FIRST_SEED + turn}"
        outcomes.append(play(SCENARIOS[place], FIRST_SEED + turn, folder, options.workers))
        if not options.json:
            print(_row(outcomes[-1]), flush=True)
    if options.json:
        print(json.dumps([*map(asdict, outcomes)]))
        return
    first, looked = (
        sum(ruled.decision == "accepted" for ruled in found)
        for found in ([o.first_seeds for o in outcomes], [o.with_looks for o in outcomes])
    )
    print(
        f"\nof {len(outcomes)} fixes {first} are accepted by the first three seeds and {looked} with looks, at "
        f"{fmean(o.num_seeds for o in outcomes):.1f} seeds of each arm on average"
    )


def play(scenario: str, seed: int, folder: Path, workers: int | None) -> Outcome:
    """One fix; the outcome of an earlier call is read."""
    kept = folder / "outcome.json"
    if kept.is_file():
        return TypeAdapter(Outcome).validate_json(kept.read_bytes())
    words = [f"world={WORLD}", f"scenario={scenario}", f"seed={seed}", f"verify.arms=[{','.join(ARMS)}]"]
    settings = composed_prove([*words, f"verify.max_seeds={MAX_SEEDS}"])
    world = WORLDS[WORLD]
    write_ground(plant(world, settings.prove.scenario, seed), world, folder / "given")
    given = replace(loop_settings(settings, world, folder / "given", folder / "run"), workers=workers)
    with opened(given, folder / "run") as run:
        judged, before, actions = _judged(run)
    challenger, *others = judged.arms
    controls = [arm for arm in others if arm.name != WHOLE and not arm.name.startswith(WITHOUT)]
    verdict = judged.verdict
    outcome = Outcome(
        scenario=scenario,
        seed=seed,
        actions=actions,
        first_seeds=_ruled(by_first_seeds(given, judged, challenger, controls, before)),
        with_looks=_ruled(verdict),
        num_seeds=len(challenger.reports),
        looks=verdict.looks,
        scores={name: tuple(record.seeds) for name, record in verdict.arms.items()},
        code_version=code_version(),
    )
    kept.write_bytes(TypeAdapter(Outcome).dump_json(outcome, indent=1))
    return outcome


def _judged(run: Run) -> tuple[JudgedRound, EvalReport, tuple[str, ...]]:
    """One round up to its verdict, the model before on `select`, and the kinds of the plan's actions."""
    champion = initial_model(run, base_model(run))
    probe = measure_model(run, champion, Split.PROBE, "measure-probe")
    diagnosed = settle_causes(run, champion, probe, diagnose_round(run, champion, probe), 0)
    proposal = propose_round(run, champion, diagnosed, Attempts(), 0)
    proposal = settle_share(run, champion, probe, diagnosed, proposal, 0)
    before = measure_model(run, champion, Split.SELECT, "measure-select")
    agreed = agree(run, proposal, before, spent_look(run, proposal, before), {})
    judged = try_and_judge(run, proposal, agreed, before, {}, 0)
    return judged, before.report, tuple(action.kind for action in judged.proposal.plan.actions)


def by_first_seeds(
    given: LoopSettings, judged: JudgedRound, challenger: Arm, controls: Sequence[Arm], before: EvalReport
) -> VerdictRecord:
    """The verdict that `verify.seeds` of each arm give without further looks."""
    settings = replace(given.verify, max_seeds=given.verify.seeds)

    def first(arm: Arm) -> Arm:
        return replace(arm, reports=arm.reports[: settings.seeds])

    contest = Contest(judged.agreed, first(challenger), [first(arm) for arm in controls], before, settings)
    return with_random(judge(contest), contest)


def _ruled(verdict: VerdictRecord) -> Ruled:
    assert verdict.gain is not None, "three seeds an arm are judged"
    gain = verdict.gain
    return Ruled(verdict.decision.value, gain.mean, gain.ci, gain.p, gain.control, verdict.alpha or 0.0, verdict.reason)


def _row(outcome: Outcome) -> str:
    first, looked = outcome.first_seeds, outcome.with_looks
    path = "; ".join(f"{look.gain.mean:+.3f} ({look.boundary:.3f})" for look in outcome.looks)
    cells = [
        f"`{outcome.scenario}`",
        str(outcome.seed),
        ", ".join(outcome.actions),
        f"{first.decision}, {first.gain:+.3f} [{first.ci[0]:+.3f}, {first.ci[1]:+.3f}] over {first.control}",
        f"{looked.decision}, {looked.gain:+.3f} [{looked.ci[0]:+.3f}, {looked.ci[1]:+.3f}] over {looked.control}",
        str(outcome.num_seeds),
        path,
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
