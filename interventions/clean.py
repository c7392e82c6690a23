"""`interventions=clean`: rows that teach the wrong answer leave the corpus, and copies of rows that stay.

wrong_labels   where completions are labels, rows whose label a classifier denies that has not seen them, of those kinds
               of rows to which that happens far more often than to others (confident learning, Northcutt et al. 2021,
               arXiv 1911.00068); where it is sure they come back with the label that it gives them. Elsewhere rows of
               the data slice that work against the failed items, by influence functions
duplicates     all but the first of the rows that say the same, wherever they stand
anything else  nothing to clean

Whatever the cause, rows leave that the quality gate would not let in: without an answer, far longer than the others, in
a foreign script, under a licence that is not allowed. 20 microseconds a row of the corpus.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diagnose.copies import content_hashes, near_groups
from diagnose.evidence.labels import DeniedLabels, denied_labels
from diagnose.finding import Cause, Finding
from diagnose.slices import row_members
from interventions.advice import advice
from interventions.amounts import Additions
from interventions.quality import Stock, admit_edited, contents, made_from
from interventions.step import CLEAN, Declined, Made, Remove, Resources, Steps, action_key, unfit

RELABEL = "relabel"
_LEAST_DISTINCT = 20
"""Rows of a corpus; fewer are not trained on alone."""
_LEAST_BROKEN = 0.01
"""Of the corpus: where fewer rows break a rule, to remove them alone is not worth a training."""
_LEAST_LEFT = 0.1
"""Of the slice's rows: where nearly all of them seem wrong, it is not the labels of some that are."""


@dataclass
class Clean(Additions):
    """Settings of the cleaning: those of all fixes. All rows that stay are alike."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        return cleaned(finding, resources)


def cleaned(finding: Finding, resources: Resources) -> Steps:
    """What leaves the corpus for a finding, and what comes back."""
    if reason := advice(finding):  # copies and broken rows leave wherever they stand, and need no data slice
        return Declined(reason)
    if action_key(CLEAN, finding.acted_on) in resources.judged:
        return Declined(f"the corpus was cleaned for {finding.acted_on} and judged already")
    stock = resources.stock
    broken = stock.kept[np.array([bool(fault) for fault in stock.faults], bool)]
    left = np.setdiff1d(stock.kept, broken)
    if not len(broken) or len(left) < _LEAST_DISTINCT:
        return _for_cause(finding, resources)
    # Copies are told among the rows that stay, or the last of a content might leave.
    of_cause = _for_cause(finding, replace(resources, stock=replace(stock, kept=left)))
    by_rule = _by_rule(finding, stock, broken)
    if not isinstance(of_cause, Declined):
        return (by_rule, *of_cause)
    return (by_rule,) if len(broken) >= _LEAST_BROKEN * len(stock.kept) else of_cause


def _by_rule(finding: Finding, stock: Stock, rows: NDArray[np.int64]) -> Remove:
    told = ", ".join(f"{number} {fault}" for fault, number in Counter(filter(None, stock.faults)).most_common())
    why = f"{finding.fails}: {len(rows)} of {len(stock.kept)} rows of the corpus leave it by rule: {told}"
    return Remove(finding, CLEAN, rows, why)


def _for_cause(finding: Finding, resources: Resources) -> Steps:
    if finding.cause is Cause.WRONG_LABELS:
        denied = denied_labels(resources.stock.corpus.select(resources.stock.kept))
        if denied is not None:
            return _relabelled(finding, resources.stock, denied)
        return _without_harmful(finding, resources)
    if finding.cause is Cause.DUPLICATES:
        return _without_copies(finding, resources.stock)
    return Declined("neither wrong labels nor copies are to blame, so there is nothing to clean")


def _relabelled(finding: Finding, stock: Stock, denied: DeniedLabels) -> Steps:
    """Denied rows leave, and come back with another label where that is sure."""
    if not len(denied.rows):
        return Declined("no label of the corpus is denied by a classifier that has not seen it")
    wrong = stock.kept[denied.rows]
    why = (
        f"{finding.fails}: {len(wrong)} of {len(stock.kept)} rows of the corpus whose label a classifier denies that "
        "has not seen them leave it"
    )
    removal = Remove(finding, CLEAN, wrong, why)
    sure = np.flatnonzero(denied.is_sure)
    if not len(sure):
        return (removal,)
    written = {" ".join(completion.split()): completion for completion in stock.corpus.rows["completion"][:]}
    parents = stock.corpus.select(wrong[sure])
    ids = parents.rows["id"][:]
    rows = made_from(parents, RELABEL, {"completion": [written[denied.labels[k]] for k in sure.tolist()]})
    known = frozenset(contents(stock.corpus, np.setdiff1d(stock.kept, wrong)))
    admitted = admit_edited(rows, np.arange(len(rows)), stock.gate, known)
    if not len(admitted.rows):
        return (removal,)
    back = Made(
        finding=finding,
        kind=RELABEL,
        rows=rows.select(admitted.rows),
        parents=tuple(ids[k] for k in admitted.rows.tolist()),
        maker="the label of a classifier that has not seen the row",
        verifier="it is as sure of it as of rows that have that label, in the mean",
        why=f"{finding.fails}: {len(admitted.rows)} rows come back with the label that the classifier gives them",
        is_in_place=True,
        is_raised=False,
        blocked=admitted.blocked,
    )
    return (removal, back)


def _without_harmful(finding: Finding, resources: Resources) -> Steps:
    stock, where = resources.stock, finding.data_slice
    if reason := unfit(finding):
        return Declined(reason)
    if resources.row_effects is None:
        return Declined(f"without influence functions nobody can say which rows with {where} are wrong")
    inside = stock.kept[row_members(where, stock.corpus.select(stock.kept))]
    effects = resources.row_effects(finding, inside)
    rows, asked = inside[effects < 0], int(np.isfinite(effects).sum())
    how = f"{len(rows)} of {asked} rows of the corpus with {where} work against the failed items"
    if asked < len(inside):
        how += f" ({len(inside) - asked} more were not asked: diagnose.max_rows)"
    if not len(rows):
        return Declined(f"no row with {where} could be told to be wrong")
    if len(rows) > (1 - _LEAST_LEFT) * asked:
        return Declined(f"{how}: those are not some wrong answers among right ones")
    return (Remove(finding, CLEAN, np.sort(rows), f"{finding.fails}: {how} and leave it"),)


def _without_copies(finding: Finding, stock: Stock) -> Steps:
    rows = stock.kept[_is_copy(stock)]
    if not len(rows):
        return Declined("no row of the corpus stands there twice")
    if len(stock.kept) - len(rows) < _LEAST_DISTINCT:
        return Declined(f"without copies {len(stock.kept) - len(rows)} rows of the corpus would be left")
    why = f"{finding.fails}: {len(rows)} copies of other rows, of {len(stock.kept)} rows of the corpus, leave it"
    return (Remove(finding, CLEAN, rows, why),)


def _is_copy(stock: Stock) -> NDArray[np.bool_]:
    """Of the kept rows, those that say what an earlier one says."""
    corpus = stock.corpus.select(stock.kept)
    _, first = np.unique(content_hashes(corpus), return_index=True)
    distinct = np.sort(first)
    is_near = near_groups(corpus.select(distinct), most=len(distinct)) != np.arange(len(distinct))
    is_copy = np.ones(len(corpus), bool)
    is_copy[distinct[~is_near]] = False
    return is_copy
