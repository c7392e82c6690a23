"""Assemble findings from scores: the data behind each failing slice, its likely cause, rows and items to look at."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from diagnose.case import Case, Scope
from diagnose.evidence.examine import values_of
from diagnose.finding.causes import cause_probabilities, is_unlike
from diagnose.finding.evidence import Evidence
from diagnose.finding.finding import Examples, FailedItem, Finding
from diagnose.model.leaned_words import LeanedOn
from diagnose.model.queries import has_rival
from diagnose.slices.data.data_slice import ScoredExample
from diagnose.slices.data.find import DataJoin
from diagnose.slices.failing.find import FailingSlice
from diagnose.slices.predicate import Slice
from evals.items import ItemResult

_REPEATS = 20
"""Rows considered for each one that is shown: contents repeat, and are shown once."""


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything known of one failing slice."""

    failing: FailingSlice
    failed: Sequence[ItemResult]
    """Failed items of the slice, in random order."""
    queries: Sequence[str]
    """Question and target of the failed items that were attributed."""
    data: DataJoin
    """Data slices of the failing slice by attribution."""
    rivals: Mapping[str, DataJoin]
    """Data slices of the failing slice by other means, by name."""
    examples: Examples
    """Rows to show."""
    tests: tuple[Evidence, ...]
    """Results of the tests, in the order in which they were made."""
    modes: Mapping[str, float]
    """Share of the failed items in each failure mode."""
    golds: Mapping[str, int]
    """Number of probe items with each gold answer, where answers are labels; else empty."""
    is_training_data: bool = True
    """Whether the model is known to have been trained on the corpus."""


def make_finding(dossier: Dossier, leaned: LeanedOn, num_shown: int) -> Finding:
    """Make the finding of a dossier.

    Args:
        dossier: What is known of one failing slice.
        leaned: Words of prompts that the model leaned on, where known.
        num_shown: Number of failed items that are shown, first those that a test points at.
    """
    found, data, tests = dossier.failing, dossier.data, dossier.tests
    pointed = {item for test in tests for item in test.items}
    shown = sorted(dossier.failed, key=lambda result: result.item.key not in pointed)[:num_shown]
    values = values_of(tests)
    evidence: dict[str, float | str] = dict(values)
    if data.coverage is not None:
        evidence["coverage"] = data.coverage
    if data.unconfirmed is not None:
        evidence["unconfirmed_data_slice"] = str(data.unconfirmed)
    if is_unlike(values):
        evidence["unlike_fitted"] = 1.0
    causes = cause_probabilities(values, dossier.is_training_data)
    finding = Finding(
        slice=found.slice,
        data_slice=data.slices[0].slice if data.slices else Slice(()),
        num_items=found.num_items,
        num_failed=found.num_failed,
        failure_rate=found.failure_rate,
        ci=found.ci,
        p_adjusted=found.p_adjusted,
        modes=dossier.modes,
        causes=causes,
        data_slices=data.slices,
        sources=data.sources,
        named_by={name: str(join.slices[0].slice) if join.slices else "" for name, join in dossier.rivals.items()},
        evidence=evidence,
        tests=tests,
        examples=dossier.examples,
        failed_items=tuple(
            FailedItem(
                r.item.id,
                r.item.task,
                r.item.shown,
                r.item.target,
                r.answer,
                has_rival=has_rival(r),
                leaned_on=leaned.words.get(r.item.key, ()),
                leaned_by=leaned.methods.get(r.item.key, ""),
            )
            for r in shown
        ),
        queries=tuple(dossier.queries),
        forms=tuple(form for test in tests for form in test.forms),
        unconfirmed=data.unconfirmed,
        golds=dossier.golds,
        held_out=tuple(result.item.key for result in dossier.failed[len(dossier.queries) :]),
    )
    return finding.with_causes(causes)


def find_examples(
    case: Case, scope: Scope, row_effects: Iterable[tuple[NDArray[np.int64], NDArray[np.float32]]], num_examples: int
) -> list[Examples]:
    """Find the rows with the highest and the lowest effect on each query, each content once.

    Args:
        row_effects: Places among the scored rows with their effects, [num_rows, num_queries], part by part.
    """
    queries = range(len(scope.failing))
    best: dict[int, list[list[tuple[float, int]]]] = {sign: [[] for _ in queries] for sign in (1, -1)}
    for places, effect in row_effects:
        rows = (-scope.scored[places]).tolist()  # of equal effects the first row is kept
        for sign, kept in best.items():
            for query in queries:
                ranked = zip((sign * effect[:, query]).tolist(), rows, strict=True)
                kept[query] = heapq.nlargest(_REPEATS * num_examples, [*kept[query], *ranked])

    def examples(sign: int, query: int) -> tuple[ScoredExample, ...]:
        ranked = ((-row, sign * signed) for signed, row in best[sign][query])
        return case.examples(takewhile(lambda row: row[1] != 0, ranked), num_examples)

    return [Examples(helpful=examples(1, query), harmful=examples(-1, query)) for query in queries]
