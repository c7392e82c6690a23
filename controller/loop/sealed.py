"""Open the sealed items, here and nowhere else; every opening is a line in the ledger and spends alpha."""

from collections.abc import Sequence

from controller.engine.hashes import hash_of
from controller.loop.models import MeasuredModel, measure_models
from controller.loop.proposing import LEDGER_FILE
from controller.loop.run import Run
from controller.results.events import ItemsAnswered, Tell
from controller.results.loop_json import Sealed
from controller.results.verdict_json import GuardRecord
from controller.stages.model import Model
from controller.verdict.arm_scores import arm_scores, recipe_interval
from controller.verdict.guards import REST, RestGuard
from controller.verdict.memory.ledger import look_at
from controller.verdict.promise import Promise
from evals.items import EvalReport, check_pairable
from evals.splits import Split
from evals.statistics.compare import ArmScores, compare_to_model
from evals.statistics.intervals import Estimate
from evals.statistics.spending import alpha_at


def open_sealed(
    run: Run, start: Model, champions: Sequence[Model], promises: Sequence[Promise], tell: Tell, number: int
) -> Sealed:
    """Compare the final champion's recipe with the starting model, on items that nothing has seen: the headline.

    The line is written before the first item is asked; the same opening again, after a kill, keeps its number.

    Args:
        start: The model of round 0.
        champions: Models of the last accepted round, one for each training seed.
        promises: Promises of all accepted rounds; together they are the endpoint.
        tell: Called with all answers.
        number: Number of rounds played.
    """
    ledger = run.run_dir.parent / LEDGER_FILE
    key = hash_of([start.key, [model.key for model in champions]])
    look = look_at(ledger, run.split_hash(Split.SEALED), key, "sealed")
    before = _measure(run, start, "measure-sealed-start")
    after = [_measure(run, model, f"measure-sealed-{seed}") for seed, model in enumerate(champions)]
    tell(ItemsAnswered(Split.SEALED, number, "start", None, before.report.results))
    for seed, measured in enumerate(after):
        tell(ItemsAnswered(Split.SEALED, number, "champion", seed, measured.report.results))
    check_pairable({"start": before.report} | {f"champion-{seed}": a.report for seed, a in enumerate(after)})
    whole = Promise.over(promises)
    challenger = arm_scores("champion", [whole.chosen(measured.report.results) for measured in after])
    model = arm_scores("start", [whole.chosen(before.report.results)])
    compared = compare_to_model(challenger, model)
    alpha = alpha_at(look.number, run.settings.verify.alpha)
    rest = _rest(run, whole, before.report, [measured.report for measured in after])
    is_harmed = rest is not None and _is_lost(rest)
    return Sealed(
        gain=compared.mean,
        ci=(compared.low, compared.high),
        claim="confirmed" if compared.p < alpha and not is_harmed else "unconfirmed",
        num_items=compared.num_items,
        alpha=alpha,
        rest=rest,
        before=_estimate(model),
        after=_estimate(challenger),
    )


def _estimate(scores: ArmScores) -> Estimate:
    return Estimate(float(scores.scores.mean()), *recipe_interval(scores))


def _rest(run: Run, whole: Promise, before: EvalReport, after: Sequence[EvalReport]) -> GuardRecord | None:
    if not run.settings.evals.guard_rest:
        return None
    rest = RestGuard(tuple(run.loaded.tasks), whole.slices, whole.fields)
    was, now = rest.chosen(before.results), [rest.chosen(report.results) for report in after]
    if not was or not all(now):
        return None
    change = compare_to_model(arm_scores("champion", now), arm_scores("start", [was]))
    lower, margin = change.lower_bound(), run.settings.verify.margin
    return GuardRecord(REST, change.mean, (change.low, change.high), lower > -margin, lower, margin)


def _is_lost(guard: GuardRecord) -> bool:
    """Whether a loss of more than the margin is shown, at one-sided 5 %: by the upper bound that mirrors the lower."""
    return 2 * guard.change - guard.lower < -guard.margin


def _measure(run: Run, model: Model, name: str) -> MeasuredModel:
    return measure_models(run, [(name, model)], Split.SEALED, "measure")[0]
