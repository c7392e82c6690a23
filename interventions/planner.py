"""`interventions=auto`: the cheapest fix that fits the cause of each finding.

underweighted   reweight where the cap allows the fair share; else retrieve; else reweight as far as it goes
missing_data    retrieve
unknown         retrieve, if attribution says that the data slice's rows help
anything else   no change of data here, but the advice that belongs to the cause

A plan that was judged on this model is not proposed again: the next fix in the row takes its place.
"""

from collections.abc import Collection
from dataclasses import dataclass

from diagnose.finding import Cause, Finding
from interventions.quality import Stock
from interventions.retrieve import check_amounts, supply
from interventions.reweight import check_factor, factor_needed, raised
from interventions.step import Declined, Limits, Raise, Supply, unfit


@dataclass
class Auto:
    """Settings of the planner; every field is a key `interventions.<field>`."""

    num_examples: int | None = 400
    """Rows added in all; unset means every new row of the slices."""
    share: float = 0.5
    """Of the draws, for all actions together; the corpus's own rows keep the rest."""
    max_factor: float = 8.0
    """A raised row is drawn at most this many times as often as before."""

    def __post_init__(self) -> None:
        check_amounts(self.num_examples, self.share)
        check_factor(self.max_factor)

    def limits(self) -> Limits:
        return Limits(self.num_examples, self.share)

    def step(self, finding: Finding, stock: Stock, judged: Collection[str]) -> Supply | Raise | Declined:
        if reason := unfit(finding):
            return Declined(reason)
        if finding.cause is Cause.UNKNOWN and finding.data_slices[0].ci.low <= 0:
            return Declined(
                f"its cause is not known, and attribution does not say that {finding.data_slice} would help"
            )
        added = supply(finding, stock, judged)
        if finding.cause is not Cause.UNDERWEIGHTED:
            return added
        weighed = raised(finding, stock, judged, share=None, max_factor=self.max_factor)
        reweight_first = factor_needed(finding) <= self.max_factor
        first, second = (weighed, added) if reweight_first else (added, weighed)
        if isinstance(first, Declined) and isinstance(second, Declined):
            return Declined(f"{first.reason}; {second.reason}")
        return second if isinstance(first, Declined) else first
