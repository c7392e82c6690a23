"""`interventions=reweight`: draw the existing rows of a starved slice more often, up to a fair share."""

import math
from dataclasses import dataclass

from diagnose.finding.finding import Finding
from diagnose.slices.predicate import row_members
from interventions.plan.limits import LARGEST_SHARE, Amounts
from interventions.plan.step import REWEIGHT, Declined, Limits, Raise, Resources, Steps, action_key, unfit

_LEAST_FACTOR = 1.2
"""Smallest factor for which a change of weights is worth a training."""


@dataclass
class Reweight(Amounts):
    """Settings of the reweighting; every field is a key `interventions.<field>`."""

    share: float | None = None
    """Share of the draws for the raised rows of a slice; unset means the fair share of the finding."""
    max_factor: float = 8.0
    """A row is drawn at most this many times as often as before: 80 rows at a third of the draws are memorised."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.share is not None and not 0 < self.share <= LARGEST_SHARE:
            raise ValueError(
                f"interventions.share must be between 0 and {LARGEST_SHARE}, got {self.share}; other rows "
                "keep the rest, and with less they would be forgotten"
            )
        check_factor(self.max_factor)

    def limits(self) -> Limits:
        return Limits(None, LARGEST_SHARE, self.synthetic_share)

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        return raised(finding, resources, share=self.share, max_factor=self.max_factor)


def check_factor(max_factor: float) -> None:
    """Raise a ValueError for a factor that raises nothing."""
    if not 1 < max_factor < math.inf:
        raise ValueError(
            f"interventions.max_factor must be above 1 and finite, got {max_factor}; to leave weights alone choose "
            "interventions=retrieve"
        )


def raised(finding: Finding, resources: Resources, *, share: float | None, max_factor: float) -> Steps:
    """Raise the finding's rows in the corpus to the share that they should have, as far as the cap allows.

    Args:
        finding: A finding with `fair_share` in its evidence, where it has a data slice.
        resources: Resources, of which the corpus and the judged plans are used.
        share: Share of the draws that is wanted; None means the fair one.
        max_factor: Largest change of a row's weight.
    """
    if reason := unfit(finding):
        return Declined(reason)
    stock = resources.stock
    if action_key(REWEIGHT, finding.data_slice) in resources.judged:
        return Declined(f"raising rows with {finding.data_slice} was judged already")
    inside = row_members(finding.data_slice, stock.corpus.select(stock.kept))
    rows = stock.kept[inside]
    if not len(rows):
        return Declined(f"the corpus has no row with {finding.data_slice} that could be raised")
    predicted = finding.data_slices[0]
    effect = f"predicted effect {predicted.effect:+.2f} [{predicted.ci.low:+.2f}, {predicted.ci.high:+.2f}]"
    if predicted.ci.high < 0:
        return Declined(f"more of the rows with {finding.data_slice} would do harm by attribution: {effect}")
    present = float(stock.draws[inside].sum())
    wanted = float(finding.evidence["fair_share"]) if share is None else share
    given = min(wanted, max_factor * present, LARGEST_SHARE)
    if given < _LEAST_FACTOR * present:
        return Declined(f"rows with {finding.data_slice} have {present:.1%} of the draws, a fair share")
    capped = f" (wanted {wanted:.1%}, a row at most {max_factor:g} times)" if given < wanted else ""
    if predicted.ci.low <= 0:
        given = (present + given) / 2
        capped += ", half of the way, for it may be none"
    why = (
        f"{finding.fails}: {len(rows)} rows of the corpus with {finding.data_slice} raised from {present:.1%} "
        f"to {given:.1%} of the draws{capped}; {effect}"
    )
    return (Raise(finding=finding, rows=rows, share=given, present=present, why=why),)


def factor_needed(finding: Finding) -> float:
    """Factor by which the slice's rows would have to be raised to their fair share; infinite without rows."""
    corpus_share = float(finding.evidence.get("corpus_share", 0.0))
    return float(finding.evidence.get("fair_share", 1.0)) / corpus_share if corpus_share > 0 else float("inf")
