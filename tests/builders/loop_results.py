"""A `LoopResult` like those that real runs leave, for tests of what reads one."""

from dataclasses import replace

from controller.data.patches import SourceChange
from controller.engine.budget import Cost
from controller.engine.journal.approvals import Answer
from controller.results.diagnosis_json import (
    CalibrationRecord,
    ChangeRecord,
    DataSliceRecord,
    DiagnosisRecord,
    DroppedRecord,
    FidelityRecord,
    FindingRecord,
    LeftOutRecord,
    Measure,
    Score,
)
from controller.results.loop_json import (
    SCHEMA_VERSION,
    ActionRecord,
    ApprovalRecord,
    Champion,
    LoopResult,
    PlanRecord,
    Round,
    Sealed,
)
from controller.results.verdict_json import (
    ArmRecord,
    Decision,
    DosePoint,
    Endpoint,
    Flips,
    Gain,
    GroupRecord,
    GuardRecord,
    StepRecord,
    VerdictRecord,
)
from diagnose.finding.finding import Attributed, Examples, FailedItem
from diagnose.slices.data.data_slice import ScoredExample
from evals.statistics.intervals import Estimate

JUMP = {"prompt contains": "jump"}
ENDPOINT = Endpoint("exact_match", JUMP, 318, 0.05, 0.18, 0.071)


def score(task: str, where: dict[str, str], mean: float, half: float, num_items: int) -> Score:
    """A task's or a slice's, with an interval of this half width within 0 and 1."""
    interval = Estimate(mean, max(0.0, mean - half), min(1.0, mean + half))
    return Score(task, where, "exact_match", interval, num_items)


def scores(jump: float, others: float) -> tuple[Score, ...]:
    """Of two tasks, of which one has a slice for each verb; `jump` and the other verbs score this."""
    return (
        score("scan", {}, 0.3 * jump + 0.7 * others, 0.02, 1063),
        score("scan", {"verb": "jump"}, jump, 0.05, 318),
        score("scan", {"verb": "walk"}, others + 0.01, 0.02, 240),
        score("scan", {"verb": "look around the whole corner twice"}, others - 0.02, 0.025, 251),
        score("scan", {"verb": "run"}, others, 0.022, 254),
        score("starter_arithmetic", {}, 0.741, 0.03, 800),
    )


def arm(jump: float, others: float, seeds: tuple[float, ...], half: float, tokens: int = 61_440) -> ArmRecord:
    """Of several training seeds, judged on the items with `jump`."""
    ci = (max(0.0, jump - half), min(1.0, jump + half))
    return ArmRecord(jump, ci, seeds, tokens, 2.36e11 * tokens / 61_440, 120, scores(jump, others))


def finding() -> FindingRecord:
    """Items with `jump` fail for want of rows with `jump`."""
    return FindingRecord(
        slice=JUMP,
        data_slice=JUMP,
        num_items=402,
        num_failed=146,
        failure_rate=0.363,
        ci=(0.318, 0.411),
        p_adjusted=2.1e-9,
        modes={"wrong_token": 0.61, "too_short": 0.29, "too_long": 0.10},
        cause="missing_data",
        cause_probability=0.78,
        causes={"missing_data": 0.78, "underweighted": 0.17, "capacity": 0.03, "unknown": 0.02},
        data_slices=(
            DataSliceRecord(JUMP, 1.0, (0.86, 1.14), 80, 7_706),
            DataSliceRecord({"prompt contains": "jump around"}, 0.61, (0.37, 0.85), 11, 2_510),
            DataSliceRecord({"prompt contains": "walk"}, 0.08, (-0.02, 0.18), 5_213, 0),
            DataSliceRecord({"source": "augmented.jsonl"}, -0.22, (-0.33, -0.11), 1_204, 0),
        ),
        evidence={"rows_of_slice": 80.0, "share_of_items": 0.3, "gap_to_rest": 0.344, "probe": "none closes"},
        examples=Examples(
            helpful=tuple(
                ScoredExample(
                    f"h{k}",
                    "scan/simple_train.txt",
                    f"jump {w} twice",
                    "I_TURN_LEFT I_JUMP " * 2,
                    0.9 - k / 9,
                )
                for k, w in enumerate(("left", "right", "around left"))
            ),
            harmful=(ScoredExample("x0", "augmented.jsonl", "jump and walk", "I_WALK I_WALK", -0.41),),
        ),
        named_by={"bm25": "prompt contains 'jump'", "hidden": "prompt contains 'jump'", "loss": ""},
        failed_items=(
            FailedItem(
                "a1-0",
                "scan",
                "jump around right thrice",
                "I_TURN_RIGHT I_JUMP " * 12,
                "I_TURN_RIGHT I_WALK",
                leaned_on=(("jump", -0.52), ("around", 0.08), ("right", 0.3), ("thrice", 0.1)),
            ),
            FailedItem("a2-0", "scan", "look twice after jump left", "I_TURN_LEFT I_JUMP I_LOOK I_LOOK", ""),
        ),
    )


def fidelity() -> FidelityRecord:
    """Eight data slices left out: six as expected, one beyond its interval, one that was to do no harm."""
    rows = []
    for number, (predicted, real) in enumerate(
        ((12.0, 2.1), (3.1, 0.4), (1.9, 0.33), (0.8, 0.1), (0.5, 0.09), (0.2, 0.03), (0.1, 0.2), (-0.4, -0.02))
    ):
        is_harm, mean = predicted > 0, predicted / 6
        rows.append(
            LeftOutRecord(
                data_slice=JUMP if number == 0 else {"verb": f"verb {number}"},
                slice=JUMP,
                num_rows=80 * (number + 1),
                predicted=predicted,
                change=ChangeRecord(real, (0.9 * real, 1.1 * real), -real / 5, (-real / 6, -real / 4)),
                expected_loss=Estimate(mean, mean / 3, mean * 3) if is_harm else None,
                expected_score=Estimate(-mean / 5, -0.638, 0.1) if is_harm else None,
                reason="" if is_harm else "no harm is predicted, and only harm is calibrated",
            )
        )
    return FidelityRecord(
        num_parts=16,
        num_seeds=2,
        num_rows=4_213,
        num_diverged=0,
        lds=Estimate(0.52, 0.31, 0.68),
        ceiling=0.81,
        reason="",
        slice_lds=Estimate(0.88, 0.6, 1.0),
        slice_ceiling=0.97,
        dropped=(
            DroppedRecord(
                JUMP,
                211,
                0.638,
                ChangeRecord(1.3, (1.2, 1.4), -0.21, (-0.2, -0.22)),
                ChangeRecord(0.04, (0.03, 0.05), -0.01, (0.0, -0.02)),
            ),
        ),
        left_out=tuple(rows),
        calibration=CalibrationRecord(1.02, -1.8, 0.35, 7, 0),
    )


def measure(num_failed: int = 171) -> Measure:
    """The probe items before a round."""
    return Measure("probe", 1417, num_failed, 2, scores(0.638, 0.966), {"probe": 1417, "select": 1063, "sealed": 1041})


def accepted_round(number: int = 0) -> Round:
    """A retrieval that beats both controls and harms no guard."""
    gains = (
        Gain(0.317, (0.262, 0.372), 3.1e-6, "continue"),
        Gain(0.051, (0.012, 0.090), 0.0083, "random"),
    )
    return Round(
        number=number,
        measure=measure(),
        diagnosis=DiagnosisRecord((finding(),), Attributed(6_000, 3, 0, (), 0), fidelity()),
        plan=PlanRecord(
            actions=(
                ActionRecord("retrieve", JUMP, 400, 0, 80, 0.5, 5_210, "rows with this word are 0.4 % of the draws"),
            ),
            reason="the pool holds 7,706 rows of the slice and the corpus 80",
            num_blocked=37,
            blocked={"near copy of an evaluation item": 30, "already in the corpus": 7},
            endpoint=ENDPOINT,
            warning="",
        ),
        verdict=VerdictRecord(
            decision=Decision.ACCEPTED,
            reason="every control beaten at level 0.0152: +0.051 [+0.012, +0.090] against random, p = 0.0083",
            endpoint=ENDPOINT,
            gain=gains[1],
            gains=gains,
            arms={
                "before": replace(arm(0.638, 0.966, (0.638,), 0.053), tokens=0, flops=0.0, steps=0),
                "challenger": arm(0.955, 0.958, (0.973, 0.951, 0.941), 0.024),
                "continue": arm(0.638, 0.966, (0.641, 0.655, 0.618), 0.056),
                "random": arm(0.904, 0.947, (0.915, 0.897, 0.9), 0.034),
            },
            guards=(
                GuardRecord("starter_arithmetic", -0.004, (-0.02, 0.012), True, -0.0174, 0.03),
                GuardRecord("starter_facts", 0.002, (-0.011, 0.015), True, -0.009, 0.03),
            ),
            flips=Flips(fixed=104, broken=5, p=2.6e-25),
            alpha=0.0152,
        ),
        costs={
            "measure": Cost(21.0, 91_000, 1.2e11),
            "diagnose": Cost(64.0, 702_000, 2.7e12),
            "train": Cost(212.0, 552_960, 2.1e12),
        },
    )


def dosed_round(*doses: DosePoint) -> Round:
    """As `verify.doses` leaves it, the fix of 400 rows among the points."""
    start = accepted_round()
    guards = {"starter_arithmetic": 0.74, "starter_facts": 0.91}
    points = doses or (
        DosePoint(0.5, 200, 0.912, (0.88, 0.938), 61_440, guards),
        DosePoint(1.0, 400, 0.955, (0.931, 0.979), 61_440, guards),
        DosePoint(2.0, 800, 0.967, (0.945, 0.982), 61_440, guards),
    )
    return replace(start, verdict=replace(start.verdict, doses=points))


def full_round(number: int = 0) -> Round:
    """As `verify=full` leaves it: two controls not beaten, one of them at equal compute."""
    start = accepted_round(number)
    made = {
        "stratified": ((0.921, 0.902, 0.915), 61_440, Gain(0.042, (0.004, 0.080), 0.0121, "stratified")),
        "bm25": ((0.948, 0.951, 0.939), 61_440, Gain(0.009, (-0.028, 0.046), 0.29, "bm25")),
        "loss": ((0.874, 0.859, 0.891), 61_440, Gain(0.080, (0.039, 0.121), 0.0009, "loss")),
        "shuffled": ((0.655, 0.631, 0.649), 61_440, Gain(0.310, (0.255, 0.365), 4.0e-6, "shuffled")),
        "continue@compute": ((0.702, 0.681, 0.699), 424_000, Gain(0.261, (0.209, 0.313), 6e-6, "continue@compute")),
        "random@compute": ((0.998, 0.997, 0.999), 424_000, Gain(-0.043, (-0.068, -0.018), 0.999, "random@compute")),
    }
    arms = {name: arm(sum(seeds) / 3, 0.95, seeds, 0.03, tokens) for name, (seeds, tokens, _) in made.items()}
    gains = (*start.verdict.gains, *(gain for _, _, gain in made.values()))
    return replace(
        start,
        plan=replace(
            start.plan,
            controls={
                "continue": "the corpus as it stands, every row alike",
                "random": "400 rows added: drawn at random",
                "stratified": "400 rows added: equal shares of 5 slices",
                "bm25": "400 rows added: nearest to 146 failed items by BM25",
                "loss": "400 rows added: of the highest loss among 8000",
                "shuffled": "400 rows added: of verb = walk, verb = run, verb = look",
                "no_influence": "not trained: BM25 names the same data slice, so the fix would be the same: "
                "influence functions were not needed here",
            },
        ),
        verdict=replace(
            start.verdict,
            decision=Decision.REJECTED,
            reason="not shown better than random@compute at level 0.0152: -0.043 [-0.068, -0.018]",
            gain=gains[-1],
            gains=gains,
            arms=dict(start.verdict.arms) | arms,
        ),
    )


def rejected_round(number: int = 0) -> Round:
    """A gain that is not told from chance, and a guard that is not shown unharmed."""
    start = accepted_round(number)
    gain = Gain(0.004, (-0.061, 0.069), 0.44, "random")
    guard = GuardRecord("starter_facts", -0.021, (-0.049, 0.007), False, -0.043, 0.03)
    return replace(
        start,
        plan=replace(
            start.plan,
            warning="318 items and 3 seeds would see a gain of 0.071 in 80 % of runs, but 0.050 is expected",
        ),
        verdict=replace(
            start.verdict,
            decision=Decision.REJECTED,
            reason="guard not shown unharmed within 0.03: starter_facts",
            gain=gain,
            gains=(gain,),
            guards=(start.verdict.guards[0], guard),
        ),
    )


def ruinous_round(number: int = 0) -> Round:
    """A gain that every control is beaten by, bought with another verb; a step was left out."""
    start = accepted_round(number)
    groups = (
        GroupRecord({"task": "scan", "verb": "walk"}, 240, 0.97, 0.96, 0.71, -0.25, (-0.33, -0.17), 1e-5, True),
        GroupRecord({"task": "scan", "verb": "run"}, 254, 0.95, 0.95, 0.94, -0.01, (-0.04, 0.02), 0.99, False),
        GroupRecord({"task": "scan", "verb": "jump"}, 318, 0.64, 0.65, 0.94, 0.29, (0.2, 0.38), 1.0, False),
    )
    step = StepRecord("relabel for verb = jump", "without-relabel", -0.012, (-0.03, 0.01), 0.8, False)
    reason = "shown to lose more than 0.06: task = scan and verb = walk 0.960 to 0.710; gain +0.290"
    verdict = replace(start.verdict, decision=Decision.REJECTED, reason=reason, groups=groups, steps=(step,))
    return replace(start, verdict=verdict)


def enough_round(number: int = 0) -> Round:
    """Random rows did as well, and their model was taken."""
    start = rejected_round(number)
    reason = "random rows beat the old data, +0.290 [+0.200, +0.380], with every guard shown unharmed"
    verdict = replace(
        start.verdict,
        decision=Decision.RANDOM_IS_ENOUGH,
        reason=reason,
        guards=start.verdict.guards[:1],
        champion_arm="random",
    )
    return replace(start, verdict=verdict)


def idle_round(number: int, decision: Decision, reason: str, findings: tuple[FindingRecord, ...]) -> Round:
    """Nothing was changed."""
    return Round(
        number=number,
        measure=measure(num_failed=42),
        diagnosis=DiagnosisRecord(findings),
        plan=PlanRecord((), reason, 0, None, ""),
        verdict=VerdictRecord(decision, reason, None, None, (), {}, (), None, None),
        costs={"measure": Cost(20.0, 90_000, 1.2e11), "diagnose": Cost(31.0, 402_000, 1.5e12)},
    )


def asked_round(number: int = 0, answer: Answer | None = None) -> Round:
    """A person was asked for approval, and has rejected the plan where there is an answer."""
    start = accepted_round(number)
    decision = Decision.AWAITING_APPROVAL if answer is None else Decision.NOT_APPROVED
    reason = "nothing of the plan is trained before it is approved" if answer is None else answer.in_words
    sources = (
        SourceChange("train.txt", 9_504, 0, 12, 1.0, 0.5),
        SourceChange("pool.txt", 400, 400, 0, 0.0, 0.5),
    )
    return replace(
        start,
        verdict=idle_round(number, decision, reason, ()).verdict,
        approval=ApprovalRecord("5f0e1d2c3b4a5968", 9, 24, 552_960, 2.12e12, 610.0, sources, answer),
    )


def waiting_result() -> LoopResult:
    """The first round was accepted, the second waits for approval."""
    return replace(loop_result(accepted_round(), asked_round(1)), status="waiting", sealed=None)


def loop_result(*rounds: Round, name: str = "scan_jump") -> LoopResult:
    """Of these rounds; without any, of an accepted one and one that finds nothing more."""
    chosen = rounds or (
        accepted_round(0),
        idle_round(1, Decision.NOTHING_TO_DO, "no slice fails more than the rest", ()),
    )
    won = [r.number for r in chosen if r.verdict.decision is Decision.ACCEPTED]
    totals: dict[str, Cost] = {"train_initial": Cost(100.0, 480_000, 1.8e12), "overhead": Cost(6.4, 0, 0.0)}
    for r in chosen:
        for stage, cost in r.costs.items():
            old = totals.get(stage, Cost(0.0, 0, 0.0))
            totals[stage] = Cost(old.seconds + cost.seconds, old.tokens + cost.tokens, old.flops + cost.flops)
    return LoopResult(
        schema_version=SCHEMA_VERSION,
        name=name,
        rounds=chosen,
        sealed=Sealed(0.302, (0.241, 0.363), "confirmed", 309, 0.0152) if won else None,
        champion=Champion("store/train-3f2a/model", won[-1] if won else None, "retrieve" if won else "the given model"),
        stopped_because="nothing_to_do: no slice fails more than the rest",
        costs=totals,
        versions={"evalmend": "0.1.0+4be1", "torch": "2.13.0", "lm_eval": "0.4.13"},
        config_hash="1a2b3c4d5e6f7081",
        data_hash="99aa88bb77cc66dd",
        seed=0,
    )
