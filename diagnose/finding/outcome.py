"""Conclude from small trainings which repair works, and so what the cause is.

Each repair was trained on for a moment, with a few seeds, beside its control (`interventions.arms.rivals`), and the
likelihood of the gold answers was read on items by which nothing was chosen. A repair works if it would close at least
half of the gap between failed and passing items, were it trained on for as long as an arm of a round: that is how
causes are defined. A gap that closes at a constant rate is closed to 1 - (1 - e)^(1/l) by a full training, where a part
l of it closed e; so a small training has to close 1 - 2^-l. Where answers are labels, what the other classes lose is
subtracted: more of one label makes it the answer to everything, and mends nothing. The cause is the first, in the order
of `Cause`, whose repair works. One that shows the same rows again, as training on and drawing more often do, has to do
at least half of what the best one does in as many tokens too: its rate is not constant where a few rows are learnt by
heart.

Pure functions of numpy arrays, milliseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.causes import MIN_CONFIDENCE, unnamed
from diagnose.finding.finding import BY_HEART, SHOWN, Cause, Experiment, Finding
from diagnose.finding.trials import DRAWS, Trials, drawn_in_nats, drawn_means, item_weights
from evals.statistics.intervals import Estimate, Z

CLOSES = 0.5
"""Share of the gap that a repair has to close in a full training, and of what the best repair does."""
_ONE_SIDED = 0.025
"""Level at which an effect is shown to be above 0."""
_WEIGHT_OF_READINGS = 0.5
"""Exponent of the probabilities that evidence other than experiments gave."""
_LEAST_PRIOR = 0.02
"""Probability that such evidence leaves to every cause at least."""
_LEAST_UNKNOWN = 0.1
"""Probability that it leaves to `unknown` at least, where no repair works."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """The repair of one cause, beside its control."""

    cause: Cause
    arm: str
    controls: tuple[str, ...]
    """Names of arms, empty for the model as it is; the one over which the repair does least counts."""
    repair_says: str
    control_says: tuple[str, ...]
    length: float
    """Tokens of a small training as a share of an arm's."""
    of_full: float | None = None
    """Tokens of a small training as a share of those in which the repair has to close half of the gap, an arm's if
    None: training on is held against as many tokens as the model was trained for."""
    shorter: tuple[str, tuple[str, ...], float] | None = None
    """Names of arm and controls of a shorter training, and its tokens as a share of an arm's; None without one."""
    at_random: str = ""
    """Name of the arm that does as much at random; empty where none does."""
    part: float = 1.0
    """Part of the draws that the repair moves which go to the finding's rows; below 1 where it is one of several
    slices."""

    @property
    def needed(self) -> float:
        """Share of the gap that a small training has to close, if the repair works."""
        return least_effect(self._length)

    @property
    def needed_of_part(self) -> float:
        """Share of the gap that it has to close with its part of the draws, if it works with all that the repair
        moves."""
        return least_effect(self.part * self._length)

    @property
    def _length(self) -> float:
        return self.length if self.of_full is None else self.of_full


def experiments(
    trials: Trials, tested: Sequence[Contrast], rng: np.random.Generator, before: Mapping[Cause, float] | None = None
) -> tuple[Experiment, ...]:
    """Say of each repair what it did, and how probable it is that it works, in the order of `Cause`.

    Args:
        trials: What was read.
        tested: Repairs that were tried.
        rng: Draws items and seeds.
        before: Probabilities of causes by other evidence.
    """
    order = list(Cause)
    tested = sorted(tested, key=lambda one: order.index(one.cause))
    items = item_weights(trials.is_failed, trials.failure_rate, rng)
    drawn = drawn_means(trials.likelihood, items, rng)
    scores: dict[str, NDArray[np.float64]] = {}
    if len(trials.is_failed_of_scores):
        answered = item_weights(trials.is_failed_of_scores, trials.failure_rate, rng)
        scores = drawn_means(trials.score, answered, rng)
    others = None
    if trials.rest is not None:
        alike = np.zeros(len(trials.rest.before), bool)
        others = drawn_means(trials.rest, item_weights(alike, 0.0, rng), rng)

    def effect(arm: str, control: str) -> NDArray[np.float64]:
        """Share of the gap, [num_draws]."""
        lost = 0.0 if others is None else trials.rest_weight * np.minimum(others[arm] - others[control], 0.0)
        return np.asarray((drawn[arm] - drawn[control] + lost) / trials.gap)

    hardest = {one.cause: min(one.controls, key=lambda name: float(effect(one.arm, name).mean())) for one in tested}
    effects = {one.cause: effect(one.arm, hardest[one.cause]) for one in tested}
    works = {one.cause: effects[one.cause] >= one.needed for one in tested}
    shared = {one.cause for one in tested if _helps_as_a_part(effects[one.cause], one)}
    for one in tested:
        if one.cause in shared:  # what a part of the dose may do if all of it were the finding's
            may = effects[one.cause] >= one.needed_of_part
            works[one.cause] |= may & _half(rng)
    late = {one.cause for one in tested if works[one.cause].mean() < CLOSES and _rises_still(trials, one, rng)}
    for cause in late:  # neither for the repair nor against it
        works[cause] = _half(rng)
    shortest = min(one.length for one in tested)
    at_length = {one.cause: _at_length(effects[one.cause], one.length, shortest) for one in tested}
    best = np.max(list(at_length.values()), axis=0)
    earlier = np.zeros(DRAWS, bool)
    found = []
    for one in tested:
        control = hardest[one.cause]
        is_tried_at_random = one.at_random in trials.likelihood.arms
        is_enough = at_length[one.cause] >= CLOSES * best if one.cause in BY_HEART else True
        is_cause = works[one.cause] & is_enough
        found.append(
            Experiment(
                cause=one.cause,
                repair=one.repair_says,
                control=one.control_says[one.controls.index(control)],
                effect=_estimate(effects[one.cause]),
                score=_estimate(scores[one.arm] - scores[control]) if {one.arm, control} <= {*scores} else None,
                works=float(works[one.cause].mean()),
                is_first=float((is_cause & ~earlier).mean()),
                num_items=len(trials.is_failed),
                num_seeds=len(trials.likelihood.arms[one.arm]),
                length=one.length,
                is_rising=one.cause in late,
                is_part=one.cause in shared - late,
                at_random=_estimate(effect(one.at_random, control)) if is_tried_at_random else None,
                before=(before or {}).get(one.cause, 0.0),
            )
        )
        earlier |= is_cause
    return tuple(found)


def rising(trials: Trials, tested: Sequence[Contrast], rng: np.random.Generator) -> Mapping[Cause, float]:
    """Probability that a repair closes as much of the gap in log-likelihood as one that works closes in likelihood.

    An answer that a model holds for impossible becomes likely late, after its log-likelihood has risen for long. So a
    repair that raises it is worth a longer training. It shows no cause: a model that becomes less sure of everything
    raises it too. Empty where likelihoods are logarithms already, as those of whole texts are.
    """
    drawn = drawn_in_nats(trials, rng)
    return {
        one.cause: float((drawn[one.arm] - _hardest(drawn, one.controls) >= one.needed).mean())
        for one in tested
        if drawn
    }


def _hardest(drawn: Mapping[str, NDArray[np.float64]], controls: Sequence[str]) -> NDArray[np.float64]:
    """Means of the control that has the highest, [num_draws]."""
    return max((drawn[name] for name in controls), key=lambda means: float(means.mean()))


def _half(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Half of the draws, another one each time: of two open repairs neither goes before the other."""
    return np.asarray(rng.permutation(DRAWS) < CLOSES * DRAWS)


def _helps_as_a_part(effect: NDArray[np.float64], one: Contrast) -> bool:
    """Whether a repair of several slices at once is shown to help this one, and not to do enough."""
    return bool(one.part < 1 and np.quantile(effect, _ONE_SIDED) > 0 and (effect < one.needed).mean() > CLOSES)


def _rises_still(trials: Trials, one: Contrast, rng: np.random.Generator) -> bool:
    """Whether a longer training raised the log-likelihood beyond a shorter one, by as much as works in the tokens
    between them: one that only becomes less sure does so at once."""
    if one.shorter is None:
        return False
    drawn = drawn_in_nats(trials, rng)
    arm, controls, length = one.shorter
    if not drawn or not {arm, *controls} <= drawn.keys():
        return False
    more = (drawn[one.arm] - _hardest(drawn, one.controls)) - (drawn[arm] - _hardest(drawn, controls))
    return float((more >= least_effect(one.length - length)).mean()) >= SHOWN


def settled(before: Mapping[Cause, float], made: Sequence[Experiment]) -> Mapping[Cause, float]:
    """Combine the probabilities of causes with what repairs did; sum 1.

    Where no repair works the cause is one that no training tested, in the proportions that other evidence gave.

    Args:
        before: Probabilities of causes by other evidence.
        made: Experiments, at least one.
    """
    tested = {one.cause: one.is_first for one in made}
    none_works = max(0.0, 1 - sum(tested.values()))
    others = {cause: before.get(cause, 0.0) for cause in Cause if cause not in tested and cause != Cause.CONTAMINATION}
    others[Cause.UNKNOWN] = max(others.get(Cause.UNKNOWN, 0.0), _LEAST_UNKNOWN)
    total = sum(others.values())
    found = {
        cause: share * max(before.get(cause, 0.0), _LEAST_PRIOR) ** _WEIGHT_OF_READINGS
        for cause, share in tested.items()
    }
    rest = max(total, _LEAST_PRIOR) ** _WEIGHT_OF_READINGS
    found |= {cause: none_works * rest * share / total for cause, share in others.items()}
    whole = sum(found.values())
    shares = {cause: share / whole for cause, share in found.items()}
    return shares if max(shares.values()) >= MIN_CONFIDENCE else unnamed(shares)


def concluded(finding: Finding) -> str:
    """Say in a sentence what small trainings showed; empty where none was made."""
    made = finding.experiments
    if not made:
        return ""
    working = [one for one in made if one.works >= SHOWN]
    if working:
        best = max(working, key=lambda one: one.effect.mean)
        others = ", ".join(f"{one.repair} {one.effect.mean:+.2f}" for one in made if one is not best)
        beside = f"; {others}" if others else ""
        return f"{_effect(best)}{beside}"
    open_ones = [one for one in made if one.works > 1 - SHOWN]
    if part := [one for one in open_ones if one.is_part]:
        effects = "; ".join(map(_effect, part))
        return f"What helps was tried for several slices at once, and had a part of the dose: {effects}"
    if late := [one for one in open_ones if one.is_rising]:
        return f"What may help shows too late for small trainings: {'; '.join(map(_effect, late))}"
    if open_ones:
        return f"Too few items or seeds to tell what helps: {'; '.join(map(_effect, open_ones))}"
    if _contradicts(finding):
        return (
            "Nothing that was tried helps, and rows and items contradict themselves: rows that are like an item have "
            f"its label no more often than others; {'; '.join(map(_effect, made))}"
        )
    return f"Nothing that was tried helps: {'; '.join(map(_effect, made))}"


def _contradicts(finding: Finding) -> bool:
    """Whether what items ask says nothing of their labels, as far as rows like them show."""
    z = finding.evidence.get("agreement_z")
    return isinstance(z, float) and z < Z


def _effect(one: Experiment) -> str:
    effect = one.effect
    interval = f"[{effect.low:+.2f}, {effect.high:+.2f}]"
    at_random = f" (as many rows at random {one.at_random.mean:+.2f})" if one.at_random is not None else ""
    return f"{one.repair} {effect.mean:+.2f} {interval} of the gap over {one.control}{at_random}"


def least_effect(length: float) -> float:
    """Share of the gap that a training of this length, as a share of an arm's, closes at least if the repair works."""
    return 1.0 - float((1 - CLOSES) ** length)


def _at_length(effect: NDArray[np.float64], length: float, shorter: float) -> NDArray[np.float64]:
    """Share of the gap that a shorter training closes at the same rate."""
    return np.asarray(1 - np.maximum(1 - effect, 1e-9) ** (shorter / length))


def _estimate(drawn: NDArray[np.float64]) -> Estimate:
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Estimate(float(np.median(drawn)), float(low), float(high))
