"""Run the proving ground once: plant, let the loop work, train the oracle, compare the two.

The oracle comes last, so that nothing of the repaired corpus is on disk while the loop works. Every step is made of
stages of the journal, so a run that was stopped continues where it stopped.
"""

import json
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from controller.data.mixes import load_mix
from controller.data.named_corpus import TRAIN
from controller.engine.journal.lock import locked
from controller.engine.versions import code_version
from controller.loop.diagnosing import diagnose_round
from controller.loop.loop import run_loop
from controller.loop.models import base_model, initial_model, measure_model, train_initially
from controller.loop.pilots.causes import settle_causes
from controller.loop.proposing import leave_patch, propose_round
from controller.loop.run import config_hash, opened
from controller.prove.ground import as_read, loop_settings, on_rows, write_ground
from controller.prove.planting import Planted, plant
from controller.prove.result import (
    PROVE_FILE,
    SCHEMA_VERSION,
    Named,
    ProveResult,
    Removal,
    Share,
    read_prove,
    write_prove,
)
from controller.prove.scenario import Scenario
from controller.prove.scores import mean_score, scores_by_skill, skill_of, unit_of
from controller.prove.settings import Prove, ProveSettings
from controller.prove.truth import true_causes
from controller.prove.worlds import find_world, meaningless
from controller.results.arm_names import CHALLENGER, CONTINUE
from controller.results.diagnosis_json import FindingRecord
from controller.results.loop_json import LoopResult, Round
from controller.results.records import diagnosis_record
from controller.results.tracking.job import Job
from controller.results.tracking.tracker import default_uri
from controller.results.verdict_json import Decision, VerdictRecord
from controller.settings import LoopSettings
from diagnose.rows.selection import text_pairs
from evals.fixtures.worlds.world import World
from evals.splits import Split
from evals.statistics.gap_share import gap_share
from interventions.plan.attempts import Attempts
from interventions.proposal import CONTAMINATION

ITEMS_FILE = "items-select.parquet"


@dataclass(frozen=True, slots=True)
class Played:
    """Results of the loop, as far as it went."""

    findings: tuple[FindingRecord, ...]
    actions: tuple[str, ...]
    reason: str
    verdict: VerdictRecord | None
    """Verdict of the loop; None when it was stopped before there was one."""
    probe_scores: Mapping[str, float] = field(default_factory=dict)
    """As in `ProveResult`."""
    pilot_share: float = 0.0
    """As in `ProveResult`."""


@dataclass(frozen=True, slots=True)
class Oracle:
    scores: tuple[float, ...]
    """Score of each seed on the planted skills' `select` items."""
    tokens: int


def prove(settings: ProveSettings, folder: Path, job: Job | None) -> ProveResult:
    """Run the loop on a scenario and leave `prove.json` in `folder`; a finished run is read, not repeated."""
    proving = settings.prove
    world = find_world(proving.world, proving.data)
    if (reason := meaningless(settings, world)) is not None:
        raise ValueError(reason)
    if settings.controller.asks:
        raise ValueError(
            "controller.approval=ask is not for prove, which holds what a loop does alone against the truth"
        )
    if (folder / PROVE_FILE).is_file():
        known = read_prove(folder / PROVE_FILE)
        is_same = (known.code_version, known.config_hash) == (code_version(), prove_hash(settings))
        if is_same and (known.stopped_at is None or known.stopped_at == proving.stop):
            return known
    started = time.monotonic()
    planted = plant(world, proving.scenario, settings.seed)
    with locked(folder):
        write_ground(planted, world, folder / "given")
        given = loop_settings(settings, world, folder / "given", folder / "loop")
        if given.tracking.uri is None:
            given = replace(given, tracking=replace(given.tracking, uri=default_uri(folder)))
        if proving.stop is not None:
            result = _stopped(given, world)
            oracle, scores = None, {}
        else:
            loop = run_loop(given, job)
            result = _played_by(loop)
            seeds = _arm_scores(folder / "loop", world, planted_skills(world, proving.scenario), loop)
            is_needed = proving.scenario.is_settled_by_data and CONTINUE in seeds
            oracle = _oracle(given, planted, world, proving, folder / "oracle") if is_needed else None
            scores = seeds | ({"oracle": oracle.scores} if oracle is not None else {})
        written = _result(settings, world, result, scores, oracle, planted, folder, time.monotonic() - started)
        write_prove(written, folder)
    return written


def prove_hash(settings: ProveSettings) -> str:
    """Hash the settings without the stop: a full run continues from one that was stopped at the plan."""
    return config_hash(replace(settings, prove=replace(settings.prove, stop=None)))


def planted_skills(world: World, scenario: Scenario) -> list[str]:
    """Skills that suffer: those with a defect, or all that a flood drowns; none where it lies in the settings."""
    both = ((world.target, scenario.target), (world.second, scenario.second))
    for name, defects in both:
        if defects.flood_share:
            return [skill.name for skill in world.skills if skill.name != name]
    return [name for name, defects in both if defects.is_planted]


def _stopped(given: LoopSettings, world: World) -> Played:
    """Measure, diagnose, propose; no arm is trained."""
    run_dir = Path(given.run_dir or "")
    with opened(given, run_dir) as run:
        model = initial_model(run, base_model(run))
        probe = measure_model(run, model, Split.PROBE, "measure-probe")
        diagnosed = settle_causes(run, model, probe, diagnose_round(run, model, probe), 0)
        proposal = propose_round(run, model, diagnosed, Attempts(), 0)
        leave_patch(proposal, run_dir, 0)
    findings = diagnosis_record(diagnosed.diagnosis).findings
    plan = proposal.plan
    actions = tuple(action.kind for action in plan.actions)
    scores = scores_by_skill(world, probe.report.results)
    return Played(findings, actions, plan.reason, None, scores, diagnosed.pilot_share)


def _played_by(loop: LoopResult) -> Played:
    judged = [round_ for round_ in loop.rounds if round_.verdict.arms]
    first: Round = loop.rounds[0]
    decided = (judged or [loop.rounds[-1]])[0]
    actions = tuple(action.kind for action in first.plan.actions)
    diagnosis = first.diagnosis
    return Played(diagnosis.findings, actions, first.plan.reason, decided.verdict, pilot_share=diagnosis.pilot_share)


def _arm_scores(run_dir: Path, world: World, skills: Sequence[str], loop: LoopResult) -> dict[str, tuple[float, ...]]:
    """Score of each arm's seeds on the `select` items of the skills, in the first round that judged arms."""
    if not (run_dir / ITEMS_FILE).is_file() or not skills:
        return {}
    number = next(round_.number for round_ in loop.rounds if round_.verdict.arms)
    columns = ["arm", "seed", "task", "document", "target", "score"]
    table = pq.read_table(run_dir / ITEMS_FILE, columns=columns, filters=[("round", "=", number)])
    scores: dict[tuple[str, int | None], list[float]] = defaultdict(list)
    for row in table.to_pylist():
        if skill_of(world, row["task"], json.loads(row["document"])) in skills:
            scores[row["arm"], row["seed"]].append(row["score"] * unit_of(world, row["target"]))
    arms = dict.fromkeys(arm for arm, _ in scores)
    # Of one arm all seeds are numbers, or there is none: a model that was not trained in the round.
    return {arm: tuple(float(np.mean(scores[key])) for key in sorted(scores) if key[0] == arm) for arm in arms}


def _oracle(given: LoopSettings, planted: Planted, world: World, proving: Prove, folder: Path) -> Oracle:
    """Train the original recipe on the repaired corpus, and score it."""
    settings = on_rows(given, planted.repaired, folder / TRAIN, folder)
    with opened(settings, folder) as run:
        seeds = [given.seed + number for number in range(proving.oracle_seeds)]
        models = train_initially(run, [base_model(run, seed) for seed in seeds], seeds)
        skills = planted_skills(world, proving.scenario)
        scores = []
        for model, seed in zip(models, seeds, strict=True):
            report = measure_model(run, model, Split.SELECT, f"measure-oracle-{seed}").report
            scores.append(mean_score(world, skills, report.results))
    return Oracle(tuple(scores), run.books.costs()["train_initial"].tokens // len(seeds))


def _result(
    settings: ProveSettings,
    world: World,
    played: Played,
    scores: Mapping[str, Sequence[float]],
    oracle: Oracle | None,
    planted: Planted,
    folder: Path,
    seconds: float,
) -> ProveResult:
    proving, verdict = settings.prove, played.verdict
    is_accepted = verdict is not None and verdict.decision is Decision.ACCEPTED
    first = played.findings[0] if played.findings else None
    challenger = verdict.arms.get(CHALLENGER) if verdict is not None else None
    share = _share(scores, oracle, is_accepted)
    if oracle is None and proving.scenario.is_settled_by_data and verdict is not None:
        share = Share(0.0, None)  # no arm was trained
    return ProveResult(
        schema_version=SCHEMA_VERSION,
        scenario=proving.scenario.name,
        world=world.name,
        seed=settings.seed,
        true_causes=true_causes(proving.scenario, world.name),
        true_slices=tuple(planted_skills(world, proving.scenario)),
        named=tuple(
            Named(
                f.slice,
                f.data_slice,
                f.cause,
                f.cause_probability,
                f.causes,
                f.evidence,
                f.experiments,
                f.failure_rate,
                f.shown_causes,
                f.modes,
            )
            for f in played.findings
        ),
        slice=first.slice if first is not None else None,
        actions=played.actions,
        decision=verdict.decision.value if verdict is not None else None,
        gain=verdict.gain if verdict is not None else None,
        scores={arm: float(np.mean(values)) for arm, values in scores.items()},
        gap_share=share,
        tokens=challenger.tokens if challenger is not None else None,
        oracle_tokens=oracle.tokens if oracle is not None else None,
        guards_broken=tuple(g.task for g in verdict.guards if g.change < -g.margin)
        if verdict is not None and is_accepted
        else (),
        contaminated_rows=_contaminated(planted, world, folder / "loop"),
        seconds=seconds,
        stopped_at=proving.stop,
        code_version=code_version(),
        config_hash=prove_hash(settings),
        reason=played.reason,
        removal=_removal(planted, world, folder / "loop" / "mix-0.parquet"),
        seed_scores={arm: tuple(values) for arm, values in scores.items()},
        intensity=proving.scenario.intensity,
        probe_scores=played.probe_scores,
        pilot_share=played.pilot_share,
    )


def _share(scores: Mapping[str, Sequence[float]], oracle: Oracle | None, is_accepted: bool) -> Share | None:
    if oracle is None or CONTINUE not in scores or min(map(len, (scores[CONTINUE], scores[CHALLENGER]))) < 2:
        return None
    share = gap_share(scores[CHALLENGER], scores[CONTINUE], oracle.scores)
    if share is None:
        return None
    if not is_accepted:
        return Share(0.0, None)
    return Share(share.share, (share.low, share.high) if np.isfinite([share.low, share.high]).all() else None)


def _removal(planted: Planted, world: World, patch: Path) -> Removal | None:
    """Count rows that leave (no weight), planted wrong ones, and both; None where no answer is wrong."""
    if not planted.wrong:
        return None
    table = pq.read_table(patch).to_pylist() if patch.is_file() else []
    removed = [
        (row["prompt"], row["completion"]) for row in table if row["weight"] == 0 and row["kind"] != CONTAMINATION
    ]
    wrong = {as_read(world, pair) for pair in planted.wrong}
    return Removal(len(removed), len(planted.wrong), sum(row in wrong for row in removed))


def _contaminated(planted: Planted, world: World, run_dir: Path) -> int:
    """Count rows of every arm's mix that repeat an evaluation item."""
    if not planted.leaked:
        return 0
    mixes = (load_mix(file.parent) for file in run_dir.glob("stages/propose-*/*/provenance.parquet"))
    leaked = {as_read(world, pair) for pair in planted.leaked}
    return sum(row in leaked for mix in mixes for row in text_pairs(mix.examples))
