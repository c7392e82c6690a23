"""Rows whose labels are doubted, for a small training alone: what leaves a corpus for good is decided elsewhere.

Where answers are labels the doubted rows come back with the label that a classifier gives them: that a wrong row is
gone teaches nothing in a short training, and a right label in its place does. The control does the same to as many
other rows with the same answers. Elsewhere they leave.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.finding.answer_labels import labels_of
from diagnose.finding.evidence import DeniedRow, Evidence
from diagnose.finding.finding import Finding
from diagnose.slices.predicate import row_members
from interventions.admission.gate import Stock
from interventions.fixes.clean import RELABEL, Clean, cleaned, is_unable, relabelled
from interventions.plan.step import CLEAN, Declined, Made, Remove, Resources, Step, Steps


@dataclass
class Doubted(Clean):
    """The cleaning, and where it cannot be shown of which rows nine in ten are wrong, as many of the most doubtful ones
    as are wrong: enough to see whether wrong labels are the cause, and too few of them wrong for rows to leave. They
    come back with the classifier's label. Where a classifier cannot do the task, for answers are computed and no
    labels, rows leave that work against the failed items, however little."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        found = cleaned(finding, resources, is_sure=False)
        test = next((one for one in finding.tests if "denied" in one.values), None)
        if any(one.blames is not None for one in finding.tests):
            return found
        if test is None or is_unable(test):
            return found
        rows = _chosen(test, found, resources.stock)
        if not len(rows):
            return found
        guess = dict(zip(test.rows, test.guesses, strict=False))
        ids = resources.stock.corpus.select(rows).rows["id"][:]
        back = relabelled(finding, resources.stock, rows, [DeniedRow(name, guess.get(name, "")) for name in ids])
        return back or (Remove(finding, CLEAN, rows, f"{len(rows)} rows with the most doubtful labels leave"),)


def _chosen(test: Evidence, cleaned: Steps, stock: Stock) -> NDArray[np.int64]:
    """Row numbers of those that a cleaning takes, or of the most doubtful ones, ascending."""
    if not isinstance(cleaned, Declined):
        of_clean = [step.rows for step in cleaned if isinstance(step, Remove) and step.kind == CLEAN]
        return np.unique(np.concatenate([np.zeros(0, np.int64), *of_clean]))
    if not test.values["wrong"]:
        return np.zeros(0, np.int64)
    number = round(test.values["wrong"] * len(test.rows) / max(test.values["denied"], test.values["wrong"]))
    doubted = set(test.rows[:number])
    is_doubted = [name in doubted for name in stock.corpus.select(stock.kept).rows["id"][:]]
    return np.asarray(stock.kept[np.array(is_doubted, bool)], np.int64)


def like_it_at_random(steps: Sequence[Step], resources: Resources, draw: int = 0) -> tuple[Step, ...]:
    """Make steps that do the same to other rows: as many leave, of the same slices; where rows of others leave, as
    those with a wrong label do that hides them from their class, or come back with another label, of the same
    answers. Every draw is of other rows."""
    stock, rng = resources.stock, np.random.default_rng([resources.seed, draw])
    left = stock.kept
    made: list[Step] = []
    for step in (step for step in steps if isinstance(step, Remove)):
        back = next((each for each in steps if isinstance(each, Made) and each.finding is step.finding), None)
        if step.kind == RELABEL and back is not None:
            chosen, labels = _same_change(step.rows, back, left, stock, rng)
            ids = stock.corpus.select(chosen).rows["id"][:]
            denied = [DeniedRow(name, label) for name, label in zip(ids, labels, strict=True)]
            made += relabelled(step.finding, stock, chosen, denied)
        else:
            chosen = _same_number(step, left, stock, rng)
            made.append(Remove(step.finding, step.kind, chosen, step.why))
        left = np.setdiff1d(left, chosen)
    return tuple(made)


def _same_number(step: Remove, left: NDArray[np.int64], stock: Stock, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw as many rows of the step's slice, or of the same answers where it takes rows of other slices."""
    inside = left[row_members(step.finding.acted_on, stock.corpus.select(left))]
    if 2 * len(np.intersect1d(step.rows, inside)) >= len(step.rows):
        return np.sort(rng.choice(inside, min(len(step.rows), len(inside)), replace=False))
    wanted = Counter(labels_of(stock.corpus.select(step.rows)))
    return _drawn(wanted, left, stock, rng)


def _same_change(
    rows: NDArray[np.int64], back: Made, left: NDArray[np.int64], stock: Stock, rng: np.random.Generator
) -> tuple[NDArray[np.int64], list[str]]:
    """Draw as many rows for each pair of old and new answer; returns them, ascending, with their new answers."""
    chosen: dict[int, str] = {}
    changes = zip(labels_of(stock.corpus.select(rows)), labels_of(back.rows), strict=True)
    for (old, new), number in Counter(changes).items():
        free = left[~np.isin(left, list(chosen))]
        chosen |= dict.fromkeys(_drawn(Counter({old: number}), free, stock, rng).tolist(), new)
    places = sorted(chosen)
    return np.array(places, np.int64), [chosen[place] for place in places]


def _drawn(wanted: Counter[str], left: NDArray[np.int64], stock: Stock, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw so many rows with each answer, ascending."""
    answers = np.array(labels_of(stock.corpus.select(left)), object)
    drawn = [
        rng.choice(own, min(number, len(own)), replace=False)
        for answer, number in wanted.items()
        if len(own := left[answers == answer])
    ]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *drawn]))
