"""Test whether the items can be answered from rows like theirs at all, where answers are labels.

If what an item asks says anything of its label, rows that are like it have its label more often than other rows do. The
share of an item's nearest rows with its gold label is compared with what rows in any order would give. Where it is no
larger, neither more rows nor other weights teach the task: rows and items contradict themselves (a bound on what any
model reaches from neighbours, Cover and Hart 1967, IEEE Transactions on Information Theory 13(1)). Uses no model;
0.1 s for 400 items and 2,000 rows.
"""

from collections.abc import Collection

import numpy as np

from diagnose.evidence.subject import Subject
from diagnose.finding.answer_labels import MOST_LABELS, as_label
from diagnose.finding.evidence import Evidence
from diagnose.rows.selection import evenly_spaced
from diagnose.rows.similarity import word_similarity
from evals.items import ItemResult

_MOST_ITEMS, _MOST_ROWS = 400, 2_000
_NEAREST = 5
_LEAST = 20
"""Fewest items, and fewest rows, from which anything is told."""


def check_ceiling(subject: Subject) -> Evidence:
    """Give `agreement`, how far the labels of the rows nearest to an item agree with its gold beyond chance, as a share
    of what chance leaves, and `agreement_z`; nothing where answers are no labels."""
    corpus = np.flatnonzero(~subject.rows.in_pool)
    places = corpus[evenly_spaced(len(corpus), _MOST_ROWS)]
    labels = np.array([as_label(subject.rows.completions[k]) for k in places.tolist()], object)
    names = sorted(set(labels.tolist()))
    results = _asked(subject, set(names))
    if not 2 <= len(names) <= MOST_LABELS or min(len(results), len(places)) < _LEAST:
        return Evidence("ceiling", {}, "Answers are no labels, so how often neighbours agree says little.")
    golds = np.array([as_label(result.item.target) for result in results], object)
    similar = word_similarity([r.item.text for r in results], [subject.rows.prompts[k] for k in places.tolist()])
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :_NEAREST]
    agree = (labels[nearest] == golds[:, None]).mean(axis=1)
    # In any order the rows that are near to some item would be near to any other.
    of_near = {name: float((labels[nearest] == name).mean()) for name in names}
    expected = np.array([of_near[gold] for gold in golds.tolist()])
    beyond, chance = agree - expected, float(expected.mean())
    error = float(beyond.std(ddof=1)) / np.sqrt(len(beyond))
    agreement = float(beyond.mean()) / max(1 - chance, 1e-9)
    z = float(beyond.mean() / error) if error > 0 else 0.0
    says = (
        f"Of the {_NEAREST} rows nearest to an item {agree.mean():.0%} have its gold label, {chance:.0%} would by "
        f"chance: neighbours agree {agreement:.0%} of the way to always."
    )
    return Evidence("ceiling", {"agreement": agreement, "agreement_z": z}, says)


def _asked(subject: Subject, labels: Collection[str]) -> list[ItemResult]:
    """Items with a label as gold: those of the slice, of its tasks, or all, the first of these that have two golds; of
    items with one gold every row agrees, or none."""
    own = [*subject.failed, *subject.passed]
    tasks = {result.item.task for result in own}
    everything = subject.case.probe.results
    for group in (own, [r for r in everything if r.item.task in tasks], everything):
        labelled = [result for result in group if as_label(result.item.target) in labels]
        if len({as_label(result.item.target) for result in labelled}) > 1:
            return [labelled[k] for k in evenly_spaced(len(labelled), _MOST_ITEMS).tolist()]
    return []
