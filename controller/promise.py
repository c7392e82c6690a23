"""The promise: what a plan's fix is to show, written down before anything is trained (design.md, section 4, rule 2).

Endpoint, expected gain, the gain that the gate would see in 80 % of such experiments, and where that is not enough,
what is missing. Pure functions; the power is `evals.power`'s. Half a second where something is missing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.result import Endpoint
from controller.settings import Verify
from diagnose.slices import Slice, item_table
from evals.compare import MIN_SEEDS
from evals.items import EvalReport, ItemResult
from evals.power import (
    MOST_SEEDS,
    Judgement,
    MeasuredOn,
    detectable_gain,
    enough_items,
    enough_seeds,
    guard_power,
)
from evals.run_variance import RunNoise
from interventions.plan import Plan

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Promise:
    """What is tested, written down before training."""

    slices: tuple[Slice, ...]
    """The endpoint is every `select` item in any of them, failed before or not."""
    fields: tuple[str, ...]
    """Document fields that the slices may name."""
    guards: tuple[str, ...]
    """Tasks that must not get worse."""
    endpoint: Endpoint
    warning: str
    alpha: float
    """One-sided level of this look."""

    @classmethod
    def over(cls, promises: Sequence["Promise"]) -> "Promise":
        """One endpoint of all that several rounds promised."""
        slices = tuple(dict.fromkeys(where for agreed in promises for where in agreed.slices))
        return replace(promises[-1], slices=slices)

    def chosen(self, results: Sequence[ItemResult]) -> list[ItemResult]:
        """The results that the endpoint is measured on."""
        return _chosen(self.slices, self.fields, results)


def endpoint_slices(plan: Plan) -> tuple[Slice, ...]:
    return tuple(dict.fromkeys(action.items for action in plan.actions))


def promise(
    plan: Plan,
    before: EvalReport,
    fields: Sequence[str],
    guards: Sequence[str],
    settings: Verify,
    alpha: float,
    known: Mapping[str, RunNoise] | None = None,
    earlier_df: int = 0,
) -> Promise:
    """Endpoint, expected and detectable gain of a plan that changes something.

    The plan expects to close half of the gap, which is the least that a cause's definition asks of its repair.

    Args:
        plan: With at least one action.
        before: The champion on `select`.
        fields: Document fields that slices may name.
        guards: Tasks that must not get worse.
        settings: Of the gate.
        alpha: Level of this look.
        known: Variances between training seeds that earlier judgements of the same items found, by `endpoint_name`
            and `guard_name`; `verify.run_sd` is assumed for the others.
        earlier_df: Degrees of freedom that earlier rounds add to the gate's run variance.

    Raises:
        ValueError: no `select` item matches the failing slice, or a guard has none.
    """
    assert plan.actions, "a plan that changes nothing promises nothing"
    slices = endpoint_slices(plan)
    chosen = _chosen(slices, fields, before.results)
    if not chosen:
        raise ValueError(
            f"no `select` item matches the failing slice {slices[0]}; measure more items (evals.limit) so that "
            "a fix can be judged"
        )
    by_guard = {task: [result for result in before.results if result.item.task == task] for task in guards}
    if empty := [task for task, results in by_guard.items() if not results]:
        raise ValueError(f"guard '{empty[0]}' has no scored `select` item; measure more items (evals.limit) or drop it")
    known = known or {}
    score = _mean_score(chosen)
    expected = max(settings.min_gain, (1 - score) / 2)
    judgement = Judgement(
        endpoint=measured_on(score, len(chosen), settings, known.get(endpoint_name(slices))),
        num_seeds=max(settings.seeds, MIN_SEEDS),
        alpha=alpha,
        num_controls=len(settings.controls),
        guards=tuple(
            measured_on(_mean_score(results), len(results), settings, known.get(guard_name(task)))
            for task, results in by_guard.items()
        ),
        margin=settings.margin,
        earlier_df=earlier_df,
    )
    endpoint = Endpoint(
        metric=chosen[0].metric,
        slice=_described(slices),
        num_items=len(chosen),
        min_gain=settings.min_gain,
        expected_gain=expected,
        detectable_gain=detectable_gain(judgement, POWER),
    )
    return Promise(slices, tuple(fields), tuple(guards), endpoint, _warning(endpoint, settings, judgement), alpha)


def endpoint_name(slices: Sequence[Slice]) -> str:
    """Names an endpoint among those of the same `select` items."""
    return "; ".join(sorted(str(where) for where in slices))


def guard_name(task: str) -> str:
    return f"guard {task}"


def _chosen(slices: Sequence[Slice], fields: Sequence[str], results: Sequence[ItemResult]) -> list[ItemResult]:
    table = item_table([result.item for result in results], tuple(fields))
    inside = np.zeros(len(results), bool)
    for where in slices:
        inside |= table.members(where)
    return [result for result, is_in in zip(results, inside, strict=True) if is_in]


def assumed(score: float, num_items: int, settings: Verify) -> MeasuredOn:
    """Before anything is known of the noise; as an answer's variance does, that of runs falls towards 0 and 1."""
    return MeasuredOn(score, num_items, settings.run_sd * 2 * math.sqrt(score * (1 - score)))


def measured_on(score: float, num_items: int, settings: Verify, noise: RunNoise | None) -> MeasuredOn:
    """With the noise that earlier judgements found, where they did."""
    score = min(max(score, 0.0), 1.0)
    if noise is None:
        return assumed(score, num_items, settings)
    return MeasuredOn(score, num_items, noise.run_sd, noise.run.df, noise.noise_share)


def _mean_score(results: Sequence[ItemResult]) -> float:
    return float(np.mean([result.score for result in results]))


def _warning(endpoint: Endpoint, settings: Verify, judgement: Judgement) -> str:
    """What is missing for a power of 80 % at the expected gain."""
    if settings.seeds < MIN_SEEDS:
        return f"verify.seeds={settings.seeds} can never accept; at least {MIN_SEEDS} seeds are needed"
    if endpoint.detectable_gain is not None and endpoint.detectable_gain <= endpoint.expected_gain:
        return ""
    gain = min(endpoint.expected_gain, 1 - judgement.endpoint.base_score)
    start = f"{endpoint.num_items} items and {settings.seeds} seeds would see "
    if endpoint.detectable_gain is None:
        start += "no possible gain in 80 % of runs"
    else:
        start += f"a gain of {endpoint.detectable_gain:.3f} in 80 % of runs"
    start += f", but {endpoint.expected_gain:.3f} is expected"
    shown = guard_power(judgement)
    if shown < POWER:
        start += f" (unharmed guards are shown to be so in {100 * shown:.0f} %)"
    seeds, items = enough_seeds(judgement, gain, POWER), enough_items(judgement, gain, POWER)
    ways = []
    if seeds is not None:
        ways.append(f"raise verify.seeds to {seeds}")
    if items is not None:
        more = ", and of each guard as many times more" if judgement.guards else ""
        ways.append(f"measure {items} items instead of {endpoint.num_items}{more}")
    if not ways:
        return f"{start}: no number of seeds up to {MOST_SEEDS} would do, nor would more items alone; do both"
    none = "" if seeds is not None else f"; no number of seeds up to {MOST_SEEDS} would do"
    return f"{start}: {', or '.join(ways)}{none}"


def _described(slices: Sequence[Slice]) -> Mapping[str, str]:
    if len(slices) == 1:
        return slices[0].as_dict()
    return {"any of": "; ".join(str(where) for where in slices)}
