"""Promise what a plan's fix is to show: a pre-registered endpoint, written down before anything is trained.

A promise has the endpoint, the expected gain, the gain that the gate would detect in 80 % of such experiments and, if
that is not enough, what is missing (half a second). Pure functions; the power is `evals.statistics.power`'s.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.results.verdict_json import Endpoint
from controller.verdict.arms import num_by_chance
from controller.verdict.guards import Guard, OutsideGuard, RestGuard, TaskGuard, chosen_in, false_alarm_guards, in_any
from controller.verdict.memory.run_noise import BY_CHANCE
from controller.verdict.settings import Verify
from diagnose.slices.predicate import Slice
from evals.items import EvalReport, ItemResult
from evals.statistics.compare import MIN_SEEDS
from evals.statistics.looks_power import Prospect, enough_max_seeds, gain_seen, prospect
from evals.statistics.power import (
    MOST_SEEDS,
    Judgement,
    MeasuredOn,
    detectable_gain,
    enough_items,
    enough_seeds,
    guard_power,
)
from evals.statistics.run_variance import RunNoise, RunVariance
from interventions.plan.plan import Plan

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Guarded:
    """Tasks that a user wants to keep unharmed."""

    tasks: tuple[str, ...]
    """Tasks that are to be fixed; what an endpoint leaves of them is guarded."""
    guards: tuple[str, ...]
    """Further tasks that are guarded."""
    is_rest_guarded: bool
    """Value of `evals.guard_rest`."""


@dataclass(frozen=True, slots=True)
class Promise:
    """Endpoint and guards of a test, written down before training."""

    slices: tuple[Slice, ...]
    """Slices of the endpoint, which is every `select` item in any of them, failed before or not."""
    fields: tuple[str, ...]
    """Document fields that the slices may name."""
    guards: tuple[Guard, ...]
    """Guards, which must not get worse."""
    unguarded: str
    """Reason why the other items of the tasks are no guard; empty where they are, or where there are none."""
    endpoint: Endpoint
    warning: str
    alpha: float
    """One-sided level of this look."""
    start: EvalReport | None = None
    """Report on `select` of the model that this run of the loop started with; None in its first round. Guards are
    compared with it too, so that small losses of several rounds do not add up."""
    of_chance: RunVariance | None = None
    """Run variance of arms by chance in earlier judgements of the endpoint on the same items; None where there were
    none."""
    mended: tuple[Slice, ...] = ()
    """Endpoints of earlier rounds that were accepted; what they gained since the start makes up for no loss."""

    def start_of(self, guard: Guard) -> list[ItemResult]:
        """Results of a guard's items at the start, except for those that earlier rounds were to fix."""
        if self.start is None:
            return []
        own = guard.chosen(self.start.results)
        return [result for result, is_in in zip(own, in_any(self.mended, self.fields, own), strict=True) if not is_in]

    @classmethod
    def over(cls, promises: Sequence["Promise"]) -> "Promise":
        """Join the promises of several rounds into one endpoint."""
        slices = tuple(dict.fromkeys(where for agreed in promises for where in agreed.slices))
        return replace(promises[-1], slices=slices)

    def chosen(self, results: Sequence[ItemResult]) -> list[ItemResult]:
        """Choose the results that the endpoint is measured on."""
        return chosen_in(self.slices, self.fields)(results)


def endpoint_slices(plan: Plan) -> tuple[Slice, ...]:
    return tuple(dict.fromkeys(action.items for action in plan.actions))


def promise(
    plan: Plan,
    before: EvalReport,
    fields: Sequence[str],
    guarded: Guarded,
    settings: Verify,
    alpha: float,
    known: Mapping[str, RunNoise] | None = None,
    earlier_df: int = 0,
    num_rivals: int | None = None,
) -> Promise:
    """Make the promise of a plan that changes something: endpoint, expected and detectable gain.

    The plan expects to close half of the gap, which is the least that a cause's definition asks of its repair.

    Args:
        plan: Plan with at least one action.
        before: The champion on `select`.
        fields: Document fields that slices may name.
        guarded: Tasks and items that must not get worse.
        settings: Settings of the gate.
        alpha: Level of this look.
        known: Variances between training seeds that earlier judgements of the same items found, by `endpoint_name` and
            `guard_name`; `verify.run_sd` is assumed for the others.
        earlier_df: Degrees of freedom that earlier rounds add to the gate's run variance.
        num_rivals: Arms that have to be beaten; by default the controls.

    Raises:
        ValueError: no `select` item matches the failing slice, or a guard has none.
    """
    assert plan.actions, "a plan that changes nothing promises nothing"
    slices = endpoint_slices(plan)
    chosen = chosen_in(slices, fields)(before.results)
    if not chosen:
        raise ValueError(
            f"no `select` item matches the failing slice {slices[0]}; measure more items (evals.limit) so that "
            "a fix can be judged"
        )
    guards, unguarded = guards_of(guarded, slices, fields, before.results, settings.margin)
    known, name = known or {}, endpoint_name(slices)
    drawn = known.get(by_chance(name))
    score = _mean_score(chosen)
    expected = max(settings.min_gain, (1 - score) / 2)
    judgement = Judgement(
        endpoint=measured_on(score, len(chosen), settings, known.get(name), drawn),
        num_seeds=max(settings.seeds, MIN_SEEDS),
        alpha=alpha,
        num_controls=len(settings.controls) if num_rivals is None else num_rivals,
        num_by_chance=num_by_chance(settings.controls),
        guards=tuple(
            measured_on(_mean_score(own), len(own), settings, known.get(guard_name(guard)))
            for guard, own in ((guard, guard.chosen(before.results)) for guard in guards)
            # What is outside one slice holds the rest and the other slices, which are expected to gain.
            if not isinstance(guard, OutsideGuard)
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
        detectable_gain=_seen(judgement, settings),
        prospects=_prospects(judgement, settings, expected),
    )
    warning = _warning(endpoint, settings, judgement)
    of_chance = None if drawn is None else drawn.run
    return Promise(slices, tuple(fields), guards, unguarded, endpoint, warning, alpha, of_chance=of_chance)


def guards_of(
    guarded: Guarded, slices: tuple[Slice, ...], fields: Sequence[str], results: Sequence[ItemResult], margin: float
) -> tuple[tuple[Guard, ...], str]:
    """List the guards of an endpoint, and the reason why the rest of the tasks is none of them.

    Raises:
        ValueError: a task that is a guard has no scored item.
    """
    guards: list[Guard] = [TaskGuard(task) for task in guarded.guards]
    if empty := [guard.name for guard in guards if not guard.chosen(results)]:
        raise ValueError(f"guard '{empty[0]}' has no scored `select` item; measure more items (evals.limit) or drop it")
    if not guarded.is_rest_guarded:
        guards += false_alarm_guards(guarded.tasks, slices, fields, results)
        return tuple(guards), "the other items of the tasks are not guarded (evals.guard_rest=false)"
    rest = RestGuard(guarded.tasks, slices, tuple(fields))
    num_rest = len(rest.chosen(results))
    num_all = sum(result.item.task in guarded.tasks for result in results)
    outside = [OutsideGuard(guarded.tasks, where, tuple(fields)) for where in slices] if len(slices) > 1 else []
    guards += [guard for guard in outside if len(guard.chosen(results)) > margin * num_all]
    if num_rest > margin * num_all:
        return (*guards, rest), ""
    few = f"the {num_rest} other items of the tasks are too few to cost {margin:g} of their score" if num_rest else ""
    return tuple(guards), few


def endpoint_name(slices: Sequence[Slice]) -> str:
    """Name an endpoint among those of the same `select` items."""
    return "; ".join(sorted(str(where) for where in slices))


def by_chance(name: str) -> str:
    """Name of an endpoint where the noise of arms by chance is noted."""
    return f"{name}{BY_CHANCE}"


def guard_name(guard: Guard) -> str:
    """Name what a guard is judged by among the same `select` items; the rest is another one for each endpoint."""
    of = f" beside {endpoint_name(guard.endpoint)}" if isinstance(guard, RestGuard) else ""
    return f"guard {guard.name}{of}"


def assumed(score: float, num_items: int, settings: Verify) -> MeasuredOn:
    """Assume the noise before it is known; like an answer's variance, that of runs falls towards scores of 0 and 1."""
    return MeasuredOn(score, num_items, settings.run_sd * 2 * math.sqrt(score * (1 - score)))


def measured_on(
    score: float, num_items: int, settings: Verify, noise: RunNoise | None, of_chance: RunNoise | None = None
) -> MeasuredOn:
    """Use the noise that earlier judgements found, or assume it where there is none; `of_chance` is that of arms by
    chance."""
    score = min(max(score, 0.0), 1.0)
    if noise is None:
        return assumed(score, num_items, settings)
    between = 0.0 if of_chance is None else max(of_chance.run.variance - noise.run.variance, 0.0)
    drawn_df = 0 if of_chance is None else of_chance.run.df
    return MeasuredOn(score, num_items, noise.run_sd, noise.run.df, noise.noise_share, between, drawn_df)


def _seen(judgement: Judgement, settings: Verify) -> float | None:
    """Gain that is accepted in 80 % of judgements, at whichever look."""
    if settings.has_looks:
        return gain_seen(judgement, max(settings.last_seeds, judgement.num_seeds), POWER)
    return detectable_gain(judgement, POWER)


def _prospects(judgement: Judgement, settings: Verify, expected: float) -> tuple[Prospect, ...]:
    """What looks would do without a gain, at the smallest useful one and at the expected one."""
    if not settings.has_looks:
        return ()
    most = 1 - judgement.endpoint.base_score
    gains = sorted({0.0, min(settings.min_gain, most), min(expected, most)})
    return tuple(prospect(judgement, settings.last_seeds, gain) for gain in gains)


def _mean_score(results: Sequence[ItemResult]) -> float:
    return float(np.mean([result.score for result in results]))


def _warning(endpoint: Endpoint, settings: Verify, judgement: Judgement) -> str:
    """Say what is missing for a power of 80 % at the expected gain; empty if nothing is."""
    if settings.seeds < MIN_SEEDS:
        return f"verify.seeds={settings.seeds} can never accept; at least {MIN_SEEDS} seeds are needed"
    if endpoint.detectable_gain is not None and endpoint.detectable_gain <= endpoint.expected_gain:
        return ""
    gain = min(endpoint.expected_gain, 1 - judgement.endpoint.base_score)
    seeds_of = f"up to {settings.last_seeds}" if settings.has_looks else f"{settings.seeds}"
    start = f"{endpoint.num_items} items and {seeds_of} seeds would see "
    if endpoint.detectable_gain is None:
        start += "no possible gain in 80 % of runs"
    else:
        start += f"a gain of {endpoint.detectable_gain:.3f} in 80 % of runs"
    start += f", but {endpoint.expected_gain:.3f} is expected"
    shown = guard_power(judgement)
    if shown < POWER:
        start += f" (unharmed guards are shown to be so in {100 * shown:.0f} %)"
    if settings.has_looks:
        key = "verify.max_seeds"
        seeds = enough_max_seeds(judgement, settings.last_seeds, gain, POWER)
        items = enough_items(judgement, gain, POWER, lambda one, at: prospect(one, settings.last_seeds, at).at_last)
    else:
        key, seeds, items = "verify.seeds", enough_seeds(judgement, gain, POWER), enough_items(judgement, gain, POWER)
    ways = []
    if seeds is not None:
        ways.append(f"raise {key} to {seeds}")
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
