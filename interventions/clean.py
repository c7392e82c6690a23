"""`interventions=clean`: rows that teach the wrong answer leave the corpus, and copies of rows that stay.

wrong_labels   where completions are labels, rows whose label a classifier denies that has not seen them, of those kinds
               of rows to which that happens far more often than to others (confident learning, Northcutt et al. 2021,
               arXiv 1911.00068); elsewhere rows of the data slice that work against the failed items, by influence
               functions
duplicates     all but the first of the rows that say the same, wherever they stand
anything else  nothing to clean
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.copies import content_hashes, near_groups
from diagnose.evidence.labels import denied_labels
from diagnose.finding import Cause, Finding
from diagnose.slices import row_members
from interventions.quality import Stock
from interventions.step import CLEAN, Declined, Limits, Remove, Resources, action_key, unfit

_LEAST_LEFT = 0.1
"""Of the slice's rows: where nearly all of them seem wrong, it is not the labels of some that are."""


@dataclass
class Clean:
    """Settings of the cleaning; every field is a key `interventions.<field>`."""

    num_examples: int | None = 400
    """Rows that a fix may add; a cleaning adds none, so that a sweep over kinds of fixes can set it for all."""
    share: float = 0.5
    """Of the draws, for added rows; there are none, and all that stay are alike."""

    def limits(self) -> Limits:
        return Limits(self.num_examples, self.share)

    def steps(self, finding: Finding, resources: Resources) -> tuple[Remove] | Declined:
        removed = cleaned(finding, resources)
        return removed if isinstance(removed, Declined) else (removed,)


def cleaned(finding: Finding, resources: Resources) -> Remove | Declined:
    """What leaves the corpus for a finding."""
    if reason := unfit(finding):
        return Declined(reason)
    if action_key(CLEAN, finding.data_slice) in resources.judged:
        return Declined(f"the corpus was cleaned for {finding.data_slice} and judged already")
    if finding.cause is Cause.WRONG_LABELS:
        return _without_wrong(finding, resources)
    if finding.cause is Cause.DUPLICATES:
        return _without_copies(finding, resources.stock)
    return Declined("neither wrong labels nor copies are to blame, so there is nothing to clean")


def _without_wrong(finding: Finding, resources: Resources) -> Remove | Declined:
    stock, where = resources.stock, finding.data_slice
    corpus = stock.corpus.select(stock.kept)
    if (denied := denied_labels(corpus)) is not None:
        rows, of = stock.kept[denied], len(stock.kept)
        how = "whose label a classifier denies that has not seen them"
    elif resources.row_effects is None:
        return Declined(f"without influence functions nobody can say which rows with {where} are wrong")
    else:
        inside = stock.kept[row_members(where, corpus)]
        effect = resources.row_effects(finding, inside)
        rows, of, how = inside[effect < 0], len(inside), f"with {where} that work against the failed items"
    if not len(rows):
        return Declined(f"no row with {where} could be told to be wrong")
    if len(rows) > (1 - _LEAST_LEFT) * of:
        return Declined(f"{len(rows)} of {of} rows {how}: that is not some wrong labels among right ones")
    why = (
        f"{finding.slice} fails {finding.num_failed} of {finding.num_items}: {len(rows)} of {of} rows of the corpus "
        f"{how} leave it"
    )
    return Remove(finding, np.sort(rows), why)


def _without_copies(finding: Finding, stock: Stock) -> Remove | Declined:
    rows = stock.kept[_is_copy(stock)]
    if not len(rows):
        return Declined("no row of the corpus stands there twice")
    why = (
        f"{finding.slice} fails {finding.num_failed} of {finding.num_items}: {len(rows)} copies of other rows, of "
        f"{len(stock.kept)} rows of the corpus, leave it"
    )
    return Remove(finding, rows, why)


def _is_copy(stock: Stock) -> NDArray[np.bool_]:
    """Of the kept rows, those that say what an earlier one says."""
    corpus = stock.corpus.select(stock.kept)
    _, first = np.unique(content_hashes(corpus), return_index=True)
    distinct = np.sort(first)
    group = near_groups(corpus.select(distinct), most=len(distinct))
    is_copy = np.ones(len(corpus), bool)
    is_copy[distinct[group == np.arange(len(distinct))]] = False
    return is_copy
