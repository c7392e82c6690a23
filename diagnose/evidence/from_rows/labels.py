"""Test whether training rows disagree: effects of either sign inside the slice, and labels that a classifier denies.

Rows of one skill that are all right help its failed items, every one of them; where a share of them has wrong labels,
those teach against the others, and attribution gives them effects of the other sign. Where rows have few distinct
completions, labels are also tested by a classifier that has not seen them (`diagnose.evidence.from_rows.label_doubts`),
in the slice against the rest and against the golds of probe items (`diagnose.evidence.from_rows.wrong_labels`).

Uses no model beyond what attribution has computed; the classifier takes seconds for 10,000 rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from diagnose.evidence.from_rows.label_doubts import LabelDoubts, Labelled, doubt_labels
from diagnose.evidence.from_rows.wrong_labels import (
    SLICE_LEVEL,
    Asked,
    Denied,
    denied_shares,
    leaving,
    relabelled,
    split_doubts,
    surely,
)
from diagnose.evidence.subject import Subject, share_against
from diagnose.finding.answer_labels import as_label, labels_of
from diagnose.finding.evidence import DeniedRow, Evidence
from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import evenly_spaced
from diagnose.slices.predicate import Slice, item_table, row_table
from diagnose.slices.tags import ANSWER_FORM, GOLD_ANSWER
from evals.items import Item
from evals.leaks.near_copies import normalise

_LISTED = 1000
_MOST_ROWS = 50_000
"""Most rows of the corpus that the classifier uses."""


def check_effects(subject: Subject) -> Evidence:
    """Give `against`, the share of the absolute effect of the slice's rows on its failed items that has the wrong sign:
    about half where labels contradict each other, near 0 where the rows agree. Point at those rows, the worst first."""
    effect = subject.rows.effect[subject.inside, subject.number]
    if len(effect) < 5 or not effect.any():
        return Evidence("effects", {}, "Too few rows of the slice are attributed to tell whether they agree.")
    against = share_against(effect)
    says = (
        f"{(effect < 0).mean():.0%} of the slice's {len(effect)} attributed rows work against its failed items, with "
        f"{against:.0%} of all their effect."
    )
    places = np.flatnonzero(subject.inside)[np.argsort(effect, kind="stable")[: min(_LISTED, int((effect < 0).sum()))]]
    ids = tuple(subject.case.row(int(number), 0.0).id for number in subject.rows.numbers[places])
    return Evidence("effects", {"against": against}, says, rows=ids)


def check_labels(subject: Subject) -> Evidence:
    """Give `conflicts`; where completions are labels and items of the slice have golds among them also the shares that
    a classifier denies, and at least how many labels are `wrong`. Point at the slice's denied rows, the most doubtful
    first, and say which may leave."""
    numbers, sample = label_sample(subject.corpus)
    prompts, labels = [normalise(prompt) for prompt in sample.rows["prompt"][:]], labels_of(sample)
    values: dict[str, float] = {}
    inside = np.isin(numbers, subject.rows.numbers[subject.inside])
    if inside.any() and any(prompts):
        values["conflicts"] = float(_conflicts(prompts, labels)[inside].mean())
    says = f"{values.get('conflicts', 0):.0%} of the slice's prompts stand in the corpus with another answer."
    results = subject.case.probe.results
    failing = {r.item.key for r in (*subject.failed, *subject.passed)}
    is_own = np.array([r.item.key in failing for r in results], bool)
    where = subject.where
    found = None if where is None else slice_labels(sample, [r.item for r in results], is_own, where)
    if found is None:
        return Evidence("labels", values, says)
    denied = found.denied
    values |= {
        "denied": denied.rows,
        "denied_items": denied.items,
        "denied_elsewhere": denied.elsewhere,
        "wrong": denied.wrong,
    }
    failed = {r.item.key for r in subject.failed}
    denied_failed = failed & {results[k].item.key for k in found.denied_items.tolist()}
    values["denied_failed"] = len(denied_failed) / max(len(failed), 1)
    says += (
        f" A classifier that has not seen them denies {denied.rows:.0%} of the slice's labels, {denied.items:.0%} of "
        f"the golds of its items and {denied.elsewhere:.0%} of the labels of other rows: at least {denied.wrong:.0%} "
        "of the slice's labels are wrong"
    )
    return evidence_of("labels", values, says, found, sample, None)


def label_sample(corpus: TrainPool) -> tuple[NDArray[np.int64], TrainPool]:
    """Sample rows for the classifier; returns their numbers, ascending, and the rows."""
    numbers = evenly_spaced(len(corpus), _MOST_ROWS)
    return numbers, corpus.select(numbers)


@dataclass(frozen=True, slots=True)
class SliceLabels:
    """Labels of a slice's rows that are denied, wrong, or have a better one."""

    denied: Denied
    doubted: NDArray[np.int64]
    """Places of the rows whose label is denied, the most doubtful first, [num_denied]."""
    guesses: tuple[str, ...]
    """Label that the classifier gives each of these."""
    leaves: NDArray[np.int64]
    """Places of rows of which at least nine in ten have a wrong label, ascending, [num_leaving]."""
    new_labels: dict[int, str]
    """New labels of some of those, by place; at least nine in ten are right. Single spaces between words."""
    denied_items: NDArray[np.int64]
    """Places of the items inside whose gold is denied, [num_denied_items]."""


def evidence_of(
    test: str, values: Mapping[str, float], says: str, found: SliceLabels, sample: TrainPool, blames: Slice | None
) -> Evidence:
    """Make the evidence of denied labels: how many rows may leave, and which."""
    ids = sample.rows["id"]
    return Evidence(
        test,
        values,
        f"{says}. {len(found.leaves)} rows may leave, {len(found.new_labels)} of them be relabelled.",
        rows=tuple(ids[place] for place in found.doubted[:_LISTED].tolist()),
        guesses=found.guesses[:_LISTED],
        denied=tuple(DeniedRow(ids[place], found.new_labels.get(place, "")) for place in found.leaves.tolist()),
        blames=blames,
    )


def slice_labels(
    rows: TrainPool, items: Sequence[Item], failing: NDArray[np.bool_], where: Slice
) -> SliceLabels | None:
    """Test the labels of the rows in a slice by a classifier's verdicts on them, on other rows and on items.

    A condition on the answer applies to the label that the classifier gives: a wrong label hides the row from the slice
    that it belongs to. Rows and items are then compared label by label, for items may have that answer more often.

    Args:
        items: Probe items, whose golds are known.
        failing: Whether each item is in the failing slice, [num_items]; used where `where` holds for no item.

    Returns:
        None where completions are no labels, or no row or no item of the slice has one.
    """
    given = Labelled(rows.rows["prompt"][:], labels_of(rows))
    golds = Labelled([item.text for item in items], [as_label(item.target) for item in items])
    asked = None
    of_answers = {key for key in (GOLD_ANSWER, ANSWER_FORM) if key not in rows.metadata_fields}
    if any(key in of_answers for key, _ in where.conditions):
        doubts = doubt_labels(given, golds)
        if doubts is None:
            return None
        said, said_of_items = list(given.labels), list(golds.labels)
        for part, texts in ((doubts.rows, said), (doubts.items, said_of_items)):
            for place, best in zip(part.places.tolist(), part.best.tolist(), strict=True):
                texts[place] = doubts.labels[best]
        rows_inside, items_inside = _members(where, rows, items, said, said_of_items)
        others = replace(where, conditions=tuple(one for one in where.conditions if one[0] not in of_answers))
        asked = Asked(*_members(others, rows, items, said, said_of_items))
    else:
        rows_inside, items_inside = _members(where, rows, items, given.labels, golds.labels)
        items_inside = items_inside if items_inside.any() else failing
        doubts = doubt_labels(given, golds, rows_inside, items_inside)
        if doubts is None:
            return None
    return judge_labels(doubts, rows_inside, items_inside, SLICE_LEVEL, asked)


def judge_labels(
    doubts: LabelDoubts,
    rows_inside: NDArray[np.bool_],
    items_inside: NDArray[np.bool_] | None,
    level: float,
    asked: Asked | None = None,
) -> SliceLabels | None:
    """Tell wrong labels of some rows by the doubts about them, about other rows and about golds.

    Args:
        doubts: Doubts of a classifier that has seen none of them.
        rows_inside: Whether each row is among those judged, [num_rows].
        items_inside: Whether each item asks what they ask, [num_items]; None where all rows, judged or not, do as the
            items.
        level: Probability with which the bound on wrong labels may not hold.
        asked: Rows and items that are in the slice but for their label, where the label that the classifier gives
            defines it.

    Returns:
        None where no such row or item has a label.
    """
    sides = split_doubts(doubts, rows_inside, items_inside, asked)
    denied = denied_shares(sides, level)
    if denied is None:
        return None
    found = leaving(sides)
    has_new_label = relabelled(sides, found, surely(doubts.items))
    places, best = sides.rows.places, sides.rows.best
    order = np.argsort(-sides.rows.doubt, kind="stable")
    by_doubt = order[sides.rows.is_denied[order]]
    return SliceLabels(
        denied=denied,
        doubted=places[by_doubt],
        guesses=tuple(doubts.labels[best[k]] for k in by_doubt.tolist()),
        leaves=places[found.rows],
        new_labels={int(places[k]): doubts.labels[best[k]] for k in np.flatnonzero(has_new_label).tolist()},
        denied_items=sides.items.places[sides.items.is_denied],
    )


def _members(
    where: Slice, rows: TrainPool, items: Sequence[Item], labels: Sequence[str], golds: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each row and each item is in the slice, if these were their answers."""
    keys = [key for key, _ in where.conditions]
    of_rows = replace(row_table(rows, keys), answers=tuple(labels)).members(where)
    of_items = replace(item_table(items, keys), answers=tuple(golds)).members(where)
    return of_rows, of_items


def _conflicts(prompts: Sequence[str], labels: Sequence[str]) -> NDArray[np.bool_]:
    num_labels = Counter(prompt for prompt, _ in {*zip(prompts, labels, strict=True)})
    return np.array([num_labels[prompt] > 1 for prompt in prompts])
