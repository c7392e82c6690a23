"""Test whether rows wrap the answers that items are scored by: `the answer is yes` where `yes` is scored.

Where a task scores the likelihood of fixed answers, a model that was trained on wrapped ones never writes anything that
a mapping of answers could unwrap. Rows show it: those nearest to an item hold its gold answer after other words. Words
that follow it do no harm. Rows of other tasks may hold a common word by chance, and reasoning that is written out holds
short golds anyway; so what is said of the slice is how much more often this is so there than for the other items. Uses
no model; 0.2 s for 400 items and 2,000 rows.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diagnose.evidence.subject import Subject
from diagnose.finding.answer_labels import as_label
from diagnose.finding.evidence import Evidence
from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import evenly_spaced
from diagnose.rows.similarity import word_similarity
from evals.items import Item, OutputType

SCORED = (OutputType.MULTIPLE_CHOICE, OutputType.LOGLIKELIHOOD)
"""Output types whose answers are given, and their likelihood scored."""
_MOST_ITEMS, _MOST_ROWS = 200, 2_000
"""Most items of the slice, most other ones, and most rows."""
_NEAREST = 5
_LEAST = 20
"""Fewest items of the slice, and fewest other ones, from which anything is told."""
_LEAST_HELD = 10
"""Fewest items with their gold answer in most of the nearest rows, for the slice to be told by these."""
_TEST = "wrapping"


def check_wrapping(subject: Subject) -> Evidence:
    """Give `wrapped`, the share of the slice's items whose nearest rows wrap their gold answer, of those whose nearest
    rows hold it, beyond that share among other items; nothing where answers are written, or no other items are left."""
    own = {result.item.key for result in (*subject.failed, *subject.passed)}
    items = [result.item for result in subject.case.probe.results]
    inside, others = ([item for item in items if (item.key in own) == is_own] for is_own in (True, False))
    found = wrapped(subject.corpus, inside, others)
    if found is None:
        return Evidence(_TEST, {}, "Answers are written, or too few items are left to compare with.")
    says = (
        f"{found.of_slice:.0%} of the slice's items have their gold answer after other words in most of the {_NEAREST} "
        f"nearest rows that hold it, and {found.of_others:.0%} of other items"
    )
    says += f"; the commonest form is “{found.form}”." if found.form else "."
    return Evidence(_TEST, {"wrapped": found.beyond}, says)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """How often the rows nearest to items wrap their gold answers."""

    of_slice: float
    """Share of the slice's items of which most of the nearest rows do, of those in most of whose nearest rows the gold
    answer stands; 0 where there are few."""
    of_others: float
    """The same for other items."""
    form: str
    """What such rows most often have around an answer, with dots in its place; empty without any."""

    @property
    def beyond(self) -> float:
        return max(self.of_slice - self.of_others, 0.0)


def wrapped(corpus: TrainPool, inside: Sequence[Item], others: Sequence[Item]) -> Wrapped | None:
    """Tell how often the rows nearest to items wrap their gold answers.

    Args:
        corpus: Rows that a model was trained on.
        inside: Items of the slice.
        others: Other items.

    Returns:
        None where answers are written, or there are fewer than 20 items or rows on a side.
    """
    if any(item.output_type not in SCORED for item in inside):
        return None
    sides = [
        [scored[k] for k in evenly_spaced(len(scored), _MOST_ITEMS).tolist()]
        for scored in ([item for item in side if item.output_type in SCORED] for side in (inside, others))
    ]
    if min(len(corpus), *map(len, sides)) < _LEAST:
        return None
    rows = corpus.select(evenly_spaced(len(corpus), _MOST_ROWS)).rows
    given = [as_label(completion) for completion in rows["completion"][:]]
    shares: list[float] = []
    forms = Counter[str]()
    for side in sides:
        similar = word_similarity([item.text for item in side], rows["prompt"][:])
        nearest = np.argsort(-similar, axis=1, kind="stable")[:, :_NEAREST].tolist()
        held = [_held([given[k] for k in own], as_label(item.target)) for item, own in zip(side, nearest, strict=True)]
        told = [own for own in held if len(own) > _NEAREST / 2]
        wraps = [sum(map(bool, own)) > len(own) / 2 for own in told]
        shares.append(float(np.mean(wraps)) if len(told) >= _LEAST_HELD else 0.0)
        if side is sides[0]:
            forms.update(form for own in told for form in own if form)
    (form, _), *_ = forms.most_common(1) or [("", 0)]
    of_slice, of_others = shares
    return Wrapped(of_slice, of_others, form)


def _held(given: Sequence[str], gold: str) -> list[str]:
    """What stands around the gold answer in those that hold it as whole words; nothing where it comes first."""
    found = []
    for answer in given:
        where = re.search(rf"(?<!\S){re.escape(gold)}\b", answer) if gold else None
        if where is not None:
            start, end = where.span()
            found.append(f"{answer[:start]}…{answer[end:]}" if start else "")
    return found
