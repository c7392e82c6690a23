"""Make the subjects of tests from failing slices and their attribution.

Tests use a sample of the attributed rows, `MOST_ROWS` at most, so that memory and time do not grow with the corpus;
counts of rows are those of the whole corpus.
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from diagnose.attribution.shards import ScoredRows
from diagnose.case import Case, Question
from diagnose.evidence.from_rows.amounts import count_copies
from diagnose.evidence.subject import Rows, Subject
from diagnose.finding.causes import fair_share
from diagnose.rows.pool import TrainPool
from diagnose.slices.data.find import DataJoin
from diagnose.slices.failing.find import FailingSlice
from diagnose.slices.predicate import TEXT_KEYS, Slice, SliceTable, joined, row_members, row_table
from evals.items import ItemResult

MOST_ROWS = 20_000
_CHUNK = 65_536


def sample_rows(case: Case, asked: Question, parts: Iterable[ScoredRows]) -> Rows:
    """Take at most `MOST_ROWS` of the scored rows, evenly spaced."""
    places = np.linspace(0, len(asked.scored) - 1, min(len(asked.scored), MOST_ROWS)).astype(np.int64)
    effect, losses = [], []
    for part in parts:
        own = places[(places >= part.start) & (places < part.start + len(part))] - part.start
        effect.append(part.effect[own])
        losses.append(part.losses_per_token[own])
    numbers = asked.scored[places]
    corpus, pool = split_numbers(case, numbers)
    sources = [(case.corpus, corpus)] + ([(case.pool, pool)] if case.pool is not None else [])
    chosen_rows = [source.select(chosen).rows for source, chosen in sources]
    has_messages = any("messages" in part.column_names for part in chosen_rows)
    return Rows(
        prompts=[text for part in chosen_rows for text in part["prompt"][:]],
        completions=[text for part in chosen_rows for text in part["completion"][:]],
        messages=[turns for part in chosen_rows for turns in _messages(part)] if has_messages else None,
        numbers=numbers,
        in_pool=numbers >= len(case.corpus),
        copies=count_copies(case.corpus, corpus),
        losses=np.concatenate(losses),
        effect=np.concatenate(effect),
    )


def _messages(part: Dataset) -> list[str | None]:
    return part["messages"][:] if "messages" in part.column_names else [None] * len(part)


def sample_table(case: Case, rows: Rows) -> SliceTable:
    """Build the table of the sample, as slices read it."""
    corpus, pool = split_numbers(case, rows.numbers)
    table = row_table(case.corpus.select(corpus), case.row_fields)
    return table if case.pool is None else joined(table, row_table(case.pool.select(pool), case.row_fields))


def make_subjects(
    case: Case, asked: Question, joins: Sequence[DataJoin], rows: Rows, table: SliceTable
) -> list[Subject]:
    """Make the subject of each failing slice, in order."""
    rng = np.random.default_rng(case.seed)
    subjects = []
    for number, (found, join) in enumerate(zip(asked.failing, joins, strict=True)):
        where = _rows_of(found, join, table.fields)
        is_in = asked.items.members(found.slice)
        subjects.append(
            Subject(
                case=case,
                number=number,
                failed=asked.failures[number],
                passed=_drawn(
                    [r for r, own in zip(case.probe.results, is_in, strict=True) if own and not r.is_failed], rng
                ),
                others=_drawn([r for r, own in zip(case.probe.results, is_in, strict=True) if not own], rng),
                where=where,
                num_rows=_num_rows(where, join, case.corpus, is_pool=False),
                num_pool=_num_rows(where, join, case.pool, is_pool=True),
                fair_share=fair_share(float(is_in.mean()), join.num_siblings),
                rows=rows,
                members=np.zeros(len(rows), bool) if where is None else table.members(where),
            )
        )
    return subjects


def split_numbers(case: Case, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split row numbers into places in the corpus and places in the pool."""
    is_corpus = numbers < len(case.corpus)
    return numbers[is_corpus], numbers[~is_corpus] - len(case.corpus)


def _rows_of(found: FailingSlice, join: DataJoin, fields: Collection[str]) -> Slice | None:
    """Choose the data slice that attribution confirms; else the best by items alone; else the failing slice's own
    conditions as far as rows can have them."""
    if join.slices:
        return join.slices[0].slice
    if join.unconfirmed is not None:
        return join.unconfirmed
    known = {*fields, *TEXT_KEYS}
    own = tuple(condition for condition in found.slice.conditions if condition[0] in known and condition[0] != "task")
    return Slice(own) if own else None


def _num_rows(where: Slice | None, join: DataJoin, pool: TrainPool | None, *, is_pool: bool) -> int:
    if where is None or pool is None:
        return 0
    if join.slices:
        return join.slices[0].num_pool if is_pool else join.slices[0].num_examples
    chunks = range(0, len(pool), _CHUNK)
    return sum(int(row_members(where, pool.select(range(k, min(k + _CHUNK, len(pool))))).sum()) for k in chunks)


def _drawn(results: Sequence[ItemResult], rng: np.random.Generator) -> list[ItemResult]:
    return [results[k] for k in rng.permutation(len(results)).tolist()]
