"""A step that harms beside one that helps: is the helping one accepted alone?

    python scripts/bench_steps.py [--seeds 5] [--world skills] [--json]

In a world with a starved skill the loop's own plan retrieves rows for it. Beside it a harmful cleaning is forced upon
the plan: the rows of a sound skill leave and come back with each other's answers, as a deaf test of labels would have
it. Every arm is trained and judged as in a loop. Expected: both parts of the cleaning are left out, and what is left of
the plan is accepted. Everything is kept in `runs/steps`: a stopped run goes on. Three minutes a seed on two cores.
"""

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from controller.cli.compose import composed_prove
from controller.engine import logs
from controller.engine.artifacts import Artifact
from controller.engine.hashes import hash_of
from controller.engine.versions import code_version
from controller.loop.diagnosing import DiagnosedRound, diagnose_round
from controller.loop.models import base_model, initial_model, measure_model
from controller.loop.proposing import agree, propose_round, spent_look
from controller.loop.run import opened
from controller.loop.trial.judged import try_and_judge
from controller.prove.ground import loop_settings, write_ground
from controller.prove.planting import plant
from diagnose.finding.finding import Cause, Diagnosis, Examples, Finding
from diagnose.slices.data.data_slice import DataSlice
from diagnose.slices.predicate import Slice, row_members
from evals.fixtures.worlds import WORLDS
from evals.splits import Split
from evals.statistics.intervals import Interval
from interventions.admission.gate import made_from
from interventions.fixes.clean import RELABEL
from interventions.plan.attempts import Attempts
from interventions.plan.step import CLEAN, Made, Remove, Resources, Steps
from interventions.planner import Auto

HARM = "a deaf test of labels says so"


@dataclass
class Harming(Auto):
    """The usual plan, but a finding of wrong labels gives the slice's rows each other's answers."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        if finding.cause is not Cause.WRONG_LABELS:
            return super().steps(finding, resources)
        stock = resources.stock
        rows = stock.kept[row_members(finding.data_slice, stock.corpus.select(stock.kept))]
        parents = stock.corpus.select(rows)
        wrong = made_from(parents, RELABEL, {"completion": np.roll(parents.rows["completion"][:], 1).tolist()})
        leave = Remove(finding, CLEAN, rows, f"{finding.fails}: {HARM}")
        exchanged = Remove(finding, RELABEL, rows, f"{finding.fails}: they leave to be relabelled")
        back = Made(
            finding=finding,
            kind=RELABEL,
            rows=wrong,
            parents=tuple(parents.rows["id"][:]),
            maker="chance",
            verifier="nobody",
            why=f"{finding.fails}: they come back with other labels",
            is_in_place=True,
            is_raised=False,
            blocked={},
        )
        return (leave, exchanged, back)


@dataclass(frozen=True, slots=True)
class Outcome:
    seed: int
    decision: str
    kept: dict[str, bool]
    """By step."""
    actions: tuple[str, ...]
    """Kinds of what was judged."""
    scores: dict[str, float]
    """Of each arm on the endpoint of what was judged."""
    reason: str
    code_version: str

    @property
    def is_right(self) -> bool:
        return self.decision == "accepted" and not any(self.kept.values()) and self.actions == ("retrieve",)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--world", default="skills")
    parser.add_argument("--work", type=Path, default=Path("runs/steps"))
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    options = parser.parse_args()
    logs.quiet_libraries()
    outcomes = []
    for seed in range(options.seeds):
        outcomes.append(play(options.world, seed, options.work.absolute()))
        if not options.json:
            print(f"{seed} {outcomes[-1].decision:<9} {outcomes[-1].kept} {outcomes[-1].scores}", flush=True)
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes]))
    else:
        print(f"the helping step alone accepted in {sum(o.is_right for o in outcomes)} of {len(outcomes)}")


def play(world_name: str, seed: int, work: Path) -> Outcome:
    """One loop round with the harm forced upon it; the outcome of an earlier call with the same code is read."""
    world, folder = WORLDS[world_name], work / code_version() / f"{world_name}-{seed}"
    kept = folder / "outcome.json"
    if kept.is_file():
        return TypeAdapter(Outcome).validate_json(kept.read_bytes())
    proving = composed_prove([f"world={world_name}", "scenario=missing_skill", f"seed={seed}"])
    write_ground(plant(world, proving.prove.scenario, seed), world, folder / "given")
    settings = loop_settings(proving, world, folder / "given", folder / "run")
    settings = replace(settings, interventions=Harming())
    sound = next(skill.name for skill in world.skills if skill.name not in (world.target, world.second))
    with opened(settings, folder / "run") as run:
        champion = initial_model(run, base_model(run))
        diagnosed = diagnose_round(run, champion, measure_model(run, champion, Split.PROBE, "measure-probe"))
        blamed = _also_blaming(
            diagnosed,
            Slice((("task", f"{world_name}_{sound}"),)),
            Slice(((world.fields[0], sound),)),
            folder / "blaming",
        )
        proposal = propose_round(run, champion, blamed, Attempts(), 0)
        before = measure_model(run, champion, Split.SELECT, "measure-select")
        judged = try_and_judge(
            run, proposal, agree(run, proposal, before, spent_look(run, proposal, before), {}), before, {}, 0
        )
    verdict = judged.verdict
    outcome = Outcome(
        seed=seed,
        decision=verdict.decision.value,
        kept={step.step: step.is_kept for step in verdict.steps},
        actions=tuple(action.kind for action in judged.proposal.plan.actions),
        scores={name: round(arm.score, 4) for name, arm in verdict.arms.items()},
        reason=verdict.reason,
        code_version=code_version(),
    )
    kept.write_bytes(TypeAdapter(Outcome).dump_json(outcome))
    return outcome


def _also_blaming(diagnosed: DiagnosedRound, items: Slice, rows: Slice, folder: Path) -> DiagnosedRound:
    """The diagnosis with one more finding: wrong labels where there are none."""
    finding = Finding(
        slice=items,
        data_slice=rows,
        num_items=100,
        num_failed=10,
        failure_rate=0.1,
        ci=Interval(0.05, 0.17),
        p_adjusted=0.01,
        modes={},
        causes={Cause.WRONG_LABELS: 1.0},
        data_slices=(DataSlice(rows, 1.0, Interval(0.5, 1.0), 0, 0),),
        named_by={},
        tests=(),
        evidence={},
        examples=Examples((), ()),
        failed_items=(),
        queries=(),
    )
    real = diagnosed.diagnosis
    diagnosis = Diagnosis((*real.findings, finding), real.num_items, real.num_failed, real.num_tokens)
    text = TypeAdapter(Diagnosis).dump_json(diagnosis)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "diagnosis.json").write_bytes(text)
    for effects in diagnosed.artifact.folder.glob("effects*"):
        (folder / effects.name).write_bytes(effects.read_bytes())
    return replace(diagnosed, diagnosis=diagnosis, artifact=Artifact(folder, hash_of(text.decode())))


if __name__ == "__main__":
    main()
