"""The case that is diagnosed, with its failing slices and the rows that may be behind them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diagnose.model.queries import has_rival
from diagnose.rows.pool import TrainPool
from diagnose.slices.data.data_slice import ScoredExample
from diagnose.slices.data.find import FailingItems
from diagnose.slices.failing.find import FailingSlice
from diagnose.slices.predicate import Slice, SliceTable, item_table
from evals.items import Item, ItemResult, ProbeReport
from evals.leaks.item_index import ItemIndex

_PASSES, _CHECKPOINTS = 1.9, 2
"""Cost of a diagnosis in training passes over the corpus, and how many times a row is attributed."""
_ROWS_OF_A_FINDING = 2_000
"""Number of rows that cost as much as the queries, words and tests of one finding."""
_MOST_OF_CORPUS, _LEAST_ROWS = 0.6, 1_000
"""Most rows attributed for each row of the corpus, and fewest unless that is fewer; the pool's rows are included."""
_HELD_OUT = 1 / 3
"""Share of a slice's failed items that are not attributed, on which repairs are tried."""
_LEAST_QUERIES = 32
"""Fewest failed items of each slice that are attributed, if it has as many."""
_LENGTHS_OF = 200
"""Items and rows whose length is measured, to know what a query costs beside a row."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model's answers and the data that it was, or could be, trained on."""

    probe: ProbeReport
    """All probe items of tasks and guards."""
    corpus: TrainPool
    """Rows that the model was trained on; beside recorded answers, rows of which nobody says so."""
    pool: TrainPool | None
    """Rows that a fix may add; None without any."""
    item_fields: Sequence[str]
    """Document fields by which failures are reported (`evals.slices`)."""
    row_fields: Sequence[str]
    """Metadata fields by which data is reported (`corpus.slices`)."""
    guards: Collection[str]
    """Tasks that are never fixed."""
    index: ItemIndex
    """Index of the items of all splits; tells which rows repeat one and reveals none."""
    seed: int
    """Seed of the draws of queries and rows, and of projections."""
    is_training_data: bool = True
    """Whether the model is known to have been trained on the corpus; if not, its rows explain nothing of it."""

    @property
    def num_rows(self) -> int:
        return len(self.corpus) + (0 if self.pool is None else len(self.pool))

    def row(self, number: int, score: float) -> ScoredExample:
        """Return a training row, numbered through the corpus and then the pool."""
        in_pool = number >= len(self.corpus)
        source = self.pool if in_pool and self.pool is not None else self.corpus
        row = source[number - len(self.corpus) if in_pool else number]
        return ScoredExample(row.id, row.source, row.prompt, row.completion, score)

    def examples(self, ranked: Iterable[tuple[int, float]], most: int) -> tuple[ScoredExample, ...]:
        """Return the first `most` of these training rows, given by number and score, each content once."""
        shown: dict[tuple[str, str], ScoredExample] = {}
        for number, score in ranked:
            if len(shown) >= most:
                break
            row = self.row(number, score)
            shown.setdefault((row.prompt, row.completion), row)
        return tuple(shown.values())


@dataclass(frozen=True, slots=True)
class Scope:
    """Scope of a diagnosis: the failing slices, their failed items, and the rows that are attributed."""

    failing: tuple[FailingSlice, ...]
    items: SliceTable
    """All probe items as slices read them."""
    failures: tuple[list[ItemResult], ...]
    """Failed items of each slice, in random order."""
    queries: tuple[list[ItemResult], ...]
    """Failed items of each slice that are attributed, the first of `failures`; at least a third is not."""
    scored: NDArray[np.int64]
    """Numbers of the rows that are attributed, ascending, through the corpus and then the pool."""

    @property
    def failing_items(self) -> list[FailingItems]:
        return [FailingItems(found.slice, self.items.members(found.slice)) for found in self.failing]

    @property
    def texts(self) -> list[list[str]]:
        """Question and target of the items that are attributed, by slice."""
        return [[query_text(result.item) for result in group] for group in self.queries]


def draw_scope(case: Case, failing: tuple[FailingSlice, ...], max_queries: int, num_rows: int) -> Scope:
    """Draw the failed items of each slice, two thirds of them as queries and at most `max_queries`, and `num_rows` rows
    to attribute."""
    items = item_table([r.item for r in case.probe.results], dict.fromkeys([*case.item_fields, *case.row_fields]))
    rng = np.random.default_rng(case.seed)
    failures = tuple(_failures(case.probe, items, found.slice, rng) for found in failing)
    return Scope(
        failing=failing,
        items=items,
        failures=failures,
        queries=tuple(one[: min(max_queries, len(one) - int(_HELD_OUT * len(one)))] for one in failures),
        scored=_draw(case.num_rows, num_rows, rng),
    )


def affordable_rows(case: Case, num_findings: int, most: int) -> int:
    """Most rows to attribute for so many failing slices, so that a diagnosis costs about two passes over the corpus; at
    most `most` whatever the corpus."""
    affordable = (_PASSES * len(case.corpus) - _ROWS_OF_A_FINDING * num_findings) / _CHECKPOINTS
    return max(1, round(min(max(affordable, _LEAST_ROWS), _MOST_OF_CORPUS * len(case.corpus), most)))


def affordable_queries(case: Case, num_findings: int, num_rows: int) -> int:
    """Most failed items of each of so many slices, so that all together cost no more than the rows that are
    attributed."""
    return max(_LEAST_QUERIES, int(num_rows / num_findings / _cost_of_query(case)))


def query_text(item: Item) -> str:
    """Join question and target; the target alone where a task has no prompt."""
    return item.text if item.text == item.target else f"{item.text} {item.target}"


def _failures(probe: ProbeReport, items: SliceTable, where: Slice, rng: np.random.Generator) -> list[ItemResult]:
    """Failed items of a slice, in random order."""
    members = np.flatnonzero(items.members(where)).tolist()
    failed = [probe.results[k] for k in members if probe.results[k].is_failed]
    return [failed[k] for k in rng.permutation(len(failed)).tolist()]


def _draw(num_rows: int, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the numbers of the rows to attribute, ascending."""
    if num_rows <= most:
        return np.arange(num_rows, dtype=np.int64)
    return np.sort(rng.choice(num_rows, most, replace=False)).astype(np.int64)


def _cost_of_query(case: Case) -> float:
    """Characters of a failed item for each of a row, at least 1: prompts may hold several solved examples, and the
    prompt of a multiple choice is read twice, before the gold and before the answer that won."""
    failed = [result for result in case.probe.results if result.is_failed][:_LENGTHS_OF]
    rows = [case.corpus[number] for number in range(min(len(case.corpus), _LENGTHS_OF))]
    if not failed or not rows:
        return 1.0
    of_item = sum((1 + has_rival(one)) * (len(one.item.prompt) + len(one.item.target)) for one in failed) / len(failed)
    of_row = sum(len(row.prompt) + len(row.completion) for row in rows) / len(rows)
    return max(1.0, of_item / max(1.0, of_row))
