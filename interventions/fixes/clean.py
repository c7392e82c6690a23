"""`interventions=clean`: remove rows that teach the wrong answer, and copies of rows that stay.

wrong_labels   where completions are labels, rows of the data slice whose label a classifier denies that has not seen
               them, if the golds of probe items show that at least nine in ten of them are wrong
               (`diagnose.evidence.from_rows.wrong_labels`). Elsewhere, and where that classifier cannot do the task,
               rows of the data slice that by influence functions work against the failed items, clearly more than rows
               outside it seem to
duplicates     all but the first of the rows that say the same, wherever they stand
anything else  nothing to clean

Rows leave by steps of the kind `clean`. Where nine in ten of the classifier's own labels are shown to be right too,
those rows come back with them: a removal and an addition of the kind `relabel`, which can be left out alone. Without
the steps of kind `relabel` the rows only leave. Without those of kind `clean` rows leave that are relabelled, since
their removal is of both kinds and no row leaves twice, and all others stay as they are.

Whatever the cause, rows leave that the quality gate would not let in: without an answer, far longer than the others, in
a foreign script, under a licence that is not allowed. 20 microseconds a row of the corpus.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from diagnose.finding.answer_labels import as_label
from diagnose.finding.evidence import DeniedRow, Evidence
from diagnose.finding.finding import Cause, Finding
from diagnose.rows.copies import content_hashes, near_groups
from diagnose.slices.predicate import row_members
from interventions.admission.gate import Stock, admit_edited, contents, made_from
from interventions.plan.advice import advice
from interventions.plan.limits import Additions
from interventions.plan.step import CLEAN, Declined, Made, Remove, Resources, Steps, action_key, unfit

RELABEL = "relabel"
"""Kind of steps that give rows another label."""
_LEAST_DISTINCT = 20
"""Fewest rows that removing broken rows or copies may leave; fewer are not trained on alone."""
_LEAST_BROKEN = 0.01
"""Smallest share of the corpus that must break a rule for its removal alone to be worth a training."""
_FALSE = 0.1
"""Largest share of the rows that leave which would seem as harmful if they had nothing to do with the failed items."""
_ELSEWHERE = 500
"""Rows outside of the slice that show how harmful such rows seem."""
_LEAST_HARM = 0.25
"""Least harm of a row that leaves, as a share of the median help of the slice's rows that help: right rows that are
hard work against items a little. On three corpora with half of a skill's rows answered wrongly, or one kind of them,
192 rows leave of which 184 are wrong, where 323 do any harm (199)."""
_UNABLE = 0.5
"""Share of the golds of a slice's items from which a classifier that denies more of them cannot do the task."""
_LEAST_LEFT = 0.1
"""Share of the slice's rows that must not seem wrong: where nearly all do, the fault is not some wrong labels."""


@dataclass
class Clean(Additions):
    """Settings of the cleaning, those of all fixes; all rows that stay have the same weight."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        return cleaned(finding, resources)


def cleaned(finding: Finding, resources: Resources, *, is_sure: bool = True) -> Steps:
    """Remove rows for a finding, and bring some back with other labels.

    Args:
        finding: Finding that rows are to blame for.
        resources: What the fix can draw on.
        is_sure: Whether of rows that influence functions call harmful only those leave whose harm is clear.
    """
    if reason := advice(finding):  # copies and broken rows leave wherever they stand, and need no data slice
        return Declined(reason)
    if action_key(CLEAN, finding.acted_on) in resources.judged:
        return Declined(f"cleaning the corpus for {finding.acted_on} was judged already")
    stock = resources.stock
    broken = stock.kept[np.array([bool(fault) for fault in stock.faults], bool)]
    left = np.setdiff1d(stock.kept, broken)
    if not len(broken) or len(left) < _LEAST_DISTINCT:
        return _for_cause(finding, resources, is_sure)
    # Copies are searched among the rows that stay, or the last of a content might leave.
    of_cause = _for_cause(finding, replace(resources, stock=replace(stock, kept=left)), is_sure)
    by_rule = _by_rule(finding, stock, broken)
    if not isinstance(of_cause, Declined):
        return (by_rule, *of_cause)
    return (by_rule,) if len(broken) >= _LEAST_BROKEN * len(stock.kept) else of_cause


def _by_rule(finding: Finding, stock: Stock, rows: NDArray[np.int64]) -> Remove:
    counts = ", ".join(f"{number} {fault}" for fault, number in Counter(filter(None, stock.faults)).most_common())
    why = f"{finding.fails}: {len(rows)} of {len(stock.kept)} rows of the corpus leave it by rule: {counts}"
    return Remove(finding, CLEAN, rows, why)


def _for_cause(finding: Finding, resources: Resources, is_sure: bool) -> Steps:
    if finding.cause is Cause.WRONG_LABELS:
        blaming = (test for test in finding.tests if test.blames == finding.data_slice)
        test = next(blaming, None) or next((test for test in finding.tests if "wrong" in test.values), None)
        if test is None or is_unable(test):
            return without_harmful(finding, resources, is_sure=is_sure)
        return _without_denied(finding, resources, test)
    if finding.cause is Cause.DUPLICATES:
        return _without_copies(finding, resources.stock)
    return Declined("neither wrong labels nor copies are to blame, so there is nothing to clean")


def is_unable(test: Evidence) -> bool:
    """Whether a test of labels says nothing of them, for its classifier denies most golds of the slice's items too:
    answers that are computed, as sums are, may be few and are no labels."""
    return test.values.get("denied_items", 0.0) > _UNABLE


def _without_denied(finding: Finding, resources: Resources, test: Evidence) -> Steps:
    """Remove rows whose labels are shown to be wrong, and bring them back where other labels are shown to be right.

    Args:
        test: Evidence of the test of the labels.
    """
    stock = resources.stock
    by_id = {row.id: row for row in test.denied}
    ids = stock.corpus.select(stock.kept).rows["id"][:]
    places = [k for k, name in enumerate(ids) if name in by_id]
    if not places:
        wrong = test.values["wrong" if test.blames is None else "source_wrong"]
        return Declined(
            f"at least {wrong:.0%} of the labels of rows with {finding.data_slice} are wrong, and "
            "which could not be told so that nine in ten of the rows that leave would be"
        )
    rows, denied = stock.kept[places], [by_id[ids[k]] for k in places]
    why = (
        f"{finding.fails}: {len(rows)} rows with {finding.data_slice}, whose label a classifier denies that has not "
        "seen them, leave the corpus; by the golds of items at least nine in ten of them are wrong"
    )
    leave = Remove(finding, CLEAN, rows, why)
    if action_key(RELABEL, finding.data_slice) in resources.judged:
        return (leave,)
    return (leave, *relabelled(finding, stock, rows, denied))


def relabelled(
    finding: Finding, stock: Stock, rows: NDArray[np.int64], denied: Sequence[DeniedRow]
) -> tuple[Remove, Made] | tuple[()]:
    """Make steps for rows that come back with another label; none where no label is known, or no row passes the gate.

    Args:
        finding: Finding that they are for.
        stock: What the corpus has.
        rows: Row numbers of the corpus, ascending.
        denied: The same rows with their new labels.
    """
    known = [k for k, row in enumerate(denied) if row.label]
    if not known:
        return ()
    written = {as_label(completion): completion for completion in stock.corpus.rows["completion"][:]}
    parents = stock.corpus.select(rows[known])
    made = made_from(parents, RELABEL, {"completion": [written[denied[k].label] for k in known]})
    others = frozenset(contents(stock.corpus, np.setdiff1d(stock.kept, rows)))
    admitted = admit_edited(made, np.arange(len(made)), stock.gate, others)
    if not len(admitted.rows):
        return ()
    number = len(admitted.rows)
    leave = Remove(
        finding, RELABEL, rows[known][admitted.rows], f"{finding.fails}: {number} rows leave to be relabelled"
    )
    ids = parents.rows["id"][:]
    back = Made(
        finding=finding,
        kind=RELABEL,
        rows=made.select(admitted.rows),
        parents=tuple(ids[k] for k in admitted.rows.tolist()),
        maker="the label of a classifier that has not seen the row",
        verifier="it gives the golds of at least nine in ten of the slice's items of which it is as sure",
        why=f"{finding.fails}: {number} rows come back with the label that the classifier gives them",
        is_in_place=True,
        is_raised=False,
        blocked=admitted.blocked,
    )
    return leave, back


def without_harmful(finding: Finding, resources: Resources, *, is_sure: bool = True) -> Steps:
    """Remove rows of the data slice that work against the failed items, by influence functions.

    Args:
        finding: Finding whose failed items are meant.
        resources: What the fix can draw on.
        is_sure: Whether only rows leave whose harm is clear; if not, all that seem to do any.
    """
    stock, where = resources.stock, finding.data_slice
    if reason := unfit(finding):
        return Declined(reason)
    if resources.row_effects is None:
        return Declined(f"without influence functions nobody can say which rows with {where} are wrong")
    inside = stock.kept[row_members(where, stock.corpus.select(stock.kept))]
    row_effects = resources.row_effects(finding, inside)
    num_scored = int(np.isfinite(row_effects).sum())
    is_harmful = row_effects < 0
    if is_sure and is_harmful.any():
        is_harmful &= clearly_harmful(row_effects, _elsewhere(finding, resources, inside))
    rows = inside[is_harmful]
    how = f"{len(rows)} of {num_scored} rows of the corpus with {where} work against the failed items"
    if num_scored < len(inside):
        how += f" ({len(inside) - num_scored} more were not asked: diagnose.max_rows)"
    if not len(rows):
        return Declined(f"no row with {where} could be told to be wrong")
    if len(rows) > (1 - _LEAST_LEFT) * num_scored:
        return Declined(f"{how}: those are not some wrong answers among right ones")
    return (Remove(finding, CLEAN, np.sort(rows), f"{finding.fails}: {how} and leave it"),)


def clearly_harmful(
    effects: NDArray[np.float32], elsewhere: NDArray[np.float32], false: float = _FALSE
) -> NDArray[np.bool_]:
    """Tell which rows do clear harm, [num_rows].

    The false discovery rate is that of Benjamini and Hochberg (1995, J. R. Stat. Soc. B 57), with p-values from the
    effects of rows that have nothing to do with the items.

    Args:
        effects: Effects of the rows of a slice on its failed items, [num_rows], negative for harm; nan where unknown.
        elsewhere: Those of rows outside of the slice, [num_others], nan where unknown.
        false: Largest false discovery rate.
    """
    known, null = np.isfinite(effects), np.sort(elsewhere[np.isfinite(elsewhere)])
    p = (np.searchsorted(null, effects[known], side="right") + 1) / (len(null) + 1)
    found = np.zeros(len(effects), bool)
    found[known] = false_discovery_control(p) <= false if len(null) else True
    helping = effects[known & (effects > 0)]
    return np.asarray(found & (effects < -_LEAST_HARM * (np.median(helping) if len(helping) else 0.0)))


def _elsewhere(finding: Finding, resources: Resources, inside: NDArray[np.int64]) -> NDArray[np.float32]:
    """Effects of rows outside of the slice, some at random."""
    assert resources.row_effects is not None, "effects of the slice's rows are known"
    others = np.setdiff1d(resources.stock.kept, inside)
    some = np.random.default_rng(resources.seed).choice(others, min(len(others), _ELSEWHERE), replace=False)
    return resources.row_effects(finding, np.sort(some)) if len(some) else np.zeros(0, np.float32)


def _without_copies(finding: Finding, stock: Stock) -> Steps:
    rows = stock.kept[_is_copy(stock)]
    if not len(rows):
        return Declined("no row of the corpus stands there twice")
    if len(stock.kept) - len(rows) < _LEAST_DISTINCT:
        return Declined(f"without copies {len(stock.kept) - len(rows)} rows of the corpus would be left")
    why = f"{finding.fails}: {len(rows)} copies of other rows, of {len(stock.kept)} rows of the corpus, leave it"
    return (Remove(finding, CLEAN, rows, why),)


def _is_copy(stock: Stock) -> NDArray[np.bool_]:
    """Whether each kept row repeats an earlier one, [num_kept]."""
    corpus = stock.corpus.select(stock.kept)
    _, first = np.unique(content_hashes(corpus), return_index=True)
    distinct = np.sort(first)
    is_near = near_groups(corpus.select(distinct), most=len(distinct)) != np.arange(len(distinct))
    is_copy = np.ones(len(corpus), bool)
    is_copy[distinct[~is_near]] = False
    return is_copy
