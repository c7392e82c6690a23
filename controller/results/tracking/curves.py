"""Metrics of a loop: what the table of runs shows of each, and curves over its rounds."""

from collections.abc import Iterable, Iterator

from controller.engine.budget import Cost
from controller.results.arm_names import CHALLENGER
from controller.results.diagnosis_json import FidelityRecord, Score
from controller.results.loop_json import LoopResult, Round
from controller.results.objective import arm_that_goes_on, task_score
from controller.results.page.words.sentences import decisive, total_cost
from controller.results.tracking.names import metric_name
from controller.results.tracking.writes import Point
from controller.results.verdict_json import VerdictRecord


def headline_points(result: LoopResult, step: int) -> Iterator[Point]:
    """What the loop has achieved so far: the round that decides, the sealed items, and what was spent."""
    decided = decisive(result)
    if decided is not None:
        verdict = decided.verdict
        yield Point("accepted", float(arm_that_goes_on(verdict) != "before"), step)
        if verdict.gain is not None:
            low, high = verdict.gain.ci
            yield from _points(step, gain=verdict.gain.mean, gain_low=low, gain_high=high, gain_p=verdict.gain.p)
        if "before" in verdict.arms and CHALLENGER in verdict.arms:
            yield from _points(step, before=verdict.arms["before"].score, after=verdict.arms[CHALLENGER].score)
    if (sealed := result.sealed) is not None:
        low, high = sealed.ci
        yield from _points(step, sealed_gain=sealed.gain, sealed_gain_low=low, sealed_gain_high=high)
        for name, score in (("sealed_before", sealed.before), ("sealed_after", sealed.after)):
            if score is not None:
                values = {name: score.mean, f"{name}_low": score.low, f"{name}_high": score.high}
                yield from _points(step, **values)
    yield from cost_points(total_cost(result.costs), step)


def round_points(round_: Round) -> Iterator[Point]:
    """Curves over the rounds: every task and slice, every arm, guard and group."""
    step = round_.number
    yield from _score_points(round_.measure.split, round_.measure.scores, step)
    yield from _verdict_points(round_.verdict, step)
    arms = round_.verdict.arms
    if "before" in arms:
        guards = {guard.task for guard in round_.verdict.guards}
        # Step k is the model after k rounds, so that a loop of one round is a line and no dot.
        yield Point("score", task_score(arms["before"].scores, guards), step)
        yield Point("score", task_score(arms[arm_that_goes_on(round_.verdict)].scores, guards), step + 1)
        if CHALLENGER in arms:
            yield Point("challenger", task_score(arms[CHALLENGER].scores, guards), step + 1)


def cost_points(cost: Cost, step: int) -> Iterator[Point]:
    """What work has spent."""
    return _points(step, tokens=float(cost.tokens), flops=cost.flops, seconds=cost.seconds)


def fidelity_points(fidelity: FidelityRecord, step: int) -> Iterator[Point]:
    """How well attribution foretold retraining."""
    if fidelity.lds is not None:
        yield Point("fidelity/lds", fidelity.lds.mean, step)
    if fidelity.slice_lds is not None:
        yield Point("fidelity/slice_lds", fidelity.slice_lds.mean, step)
    if fidelity.ceiling is not None:
        yield Point("fidelity/ceiling", fidelity.ceiling, step)


def _score_points(split: str, scores: Iterable[Score], step: int) -> Iterator[Point]:
    for score in scores:
        where = "/".join([score.task, *(f"{key}:{value}" for key, value in score.slice.items())])
        yield Point(metric_name(f"{split}/{where}"), score.score.mean, step)
        if score.unparsed_rate is not None:
            yield Point(metric_name(f"unparsed/{split}/{where}"), score.unparsed_rate, step)


def _verdict_points(verdict: VerdictRecord, step: int) -> Iterator[Point]:
    for name, arm in verdict.arms.items():
        yield Point(metric_name(f"arm/{name}"), arm.score, step)
    for guard in verdict.guards:
        yield Point(metric_name(f"guard/{guard.task}"), guard.change, step)
    for group in verdict.groups:
        where = "/".join(f"{key}:{value}" for key, value in group.slice.items())
        yield Point(metric_name(f"change/{where}"), group.change, step)


def _points(step: int, **values: float) -> Iterator[Point]:
    for name, value in values.items():
        yield Point(name, value, step)
