"""Make the subjects of tests from failing slices and their attribution.

Tests use a sample of the attributed rows, `MOST_ROWS` at most, so that memory and time do not grow with the corpus;
counts of rows are those of the whole corpus.
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from datasets import Dataset

from diagnose.attribution.shards import ScoredRows
from diagnose.case import Case, Scope
from diagnose.evidence.from_rows.amounts import count_copies
from diagnose.evidence.subject import Rows, Subject
from diagnose.finding.causes import fair_share
from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import evenly_spaced, select_rows
from diagnose.slices.data.find import DataJoin
from diagnose.slices.failing.find import FailingSlice
from diagnose.slices.predicate import TEXT_KEYS, Slice, SliceTable, joined, num_members, row_table
from evals.items import ItemResult

MOST_ROWS = 20_000


def sample_rows(case: Case, scope: Scope, parts: Iterable[ScoredRows]) -> Rows:
    """Take at most `MOST_ROWS` of the scored rows, evenly spaced."""
    places = evenly_spaced(len(scope.scored), MOST_ROWS)
    effect, losses = [], []
    for part in parts:
        own = places[(places >= part.start) & (places < part.start + len(part))] - part.start
        effect.append(part.effect[own])
        losses.append(part.losses_per_token[own])
    numbers = scope.scored[places]
    in_pool = numbers >= len(case.corpus)
    tables = [part.rows for part in select_rows(case.corpus, case.pool, numbers)]
    has_messages = any("messages" in table.column_names for table in tables)
    return Rows(
        prompts=[text for table in tables for text in table["prompt"][:]],
        completions=[text for table in tables for text in table["completion"][:]],
        messages=[turns for table in tables for turns in _messages(table)] if has_messages else None,
        numbers=numbers,
        in_pool=in_pool,
        copies=count_copies(case.corpus, numbers[~in_pool]),
        losses=np.concatenate(losses),
        effect=np.concatenate(effect),
    )


def _messages(part: Dataset) -> list[str | None]:
    return part["messages"][:] if "messages" in part.column_names else [None] * len(part)


def sample_table(case: Case, rows: Rows) -> SliceTable:
    """Build the table of the sample, as slices read it."""
    return joined([row_table(part, case.row_fields) for part in select_rows(case.corpus, case.pool, rows.numbers)])


def make_subjects(case: Case, scope: Scope, joins: Sequence[DataJoin], rows: Rows, table: SliceTable) -> list[Subject]:
    """Make the subject of each failing slice, in order."""
    rng = np.random.default_rng(case.seed)
    subjects = []
    for number, (found, join) in enumerate(zip(scope.failing, joins, strict=True)):
        where = _rows_of(found, join, table.fields)
        is_in = scope.items.members(found.slice)
        subjects.append(
            Subject(
                case=case,
                number=number,
                failed=scope.failures[number],
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
    return num_members(where, pool)


def _drawn(results: Sequence[ItemResult], rng: np.random.Generator) -> list[ItemResult]:
    return [results[k] for k in rng.permutation(len(results)).tolist()]
