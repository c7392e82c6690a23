"""From a probe report to findings: which slices fail, which data is behind each, and the likely cause.

Failing slices come first and are cheap; without any, nothing is attributed. Attribution is one pass over at
most `max_rows` training rows for all findings together, and is by far the largest cost.
"""

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from diagnose.attribution.checkpoint import Checkpoint
from diagnose.attribution.influence import Influence
from diagnose.attribution.queries import failed_items
from diagnose.attribution.stream import Told, attribute
from diagnose.attribution.train_rows import TrainRows, row_texts
from diagnose.bm25 import mean_scores
from diagnose.causes import DataCounts, cause_probabilities, fair_share
from diagnose.contamination import find_contamination
from diagnose.data_slices import MIN_ROWS, DataJoin, RowScores, find_data_slices
from diagnose.failing_slices import FailingSlice, Thresholds, find_failing_slices
from diagnose.finding import Diagnosis, Examples, FailedItem, Finding, ScoredExample
from diagnose.modes import mode_shares
from diagnose.pool import TrainPool
from diagnose.slices import PROMPT_CONTAINS, PROMPT_WORDS, Slice, SliceTable, item_table, joined, row_table
from evals.index import ItemIndex
from evals.items import Item, ItemResult, ProbeReport

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Material:
    """What all findings of a diagnosis are made from."""

    probe: ProbeReport
    items: SliceTable
    rows: SliceTable
    corpus: TrainPool
    pool: TrainPool | None

    def row(self, index: int, score: float) -> ScoredExample:
        """Training row `index`, corpus first and then pool."""
        in_pool = index >= len(self.corpus)
        source = self.pool if in_pool and self.pool is not None else self.corpus
        row = source[index - len(self.corpus) if in_pool else index]
        return ScoredExample(row.id, row.source, row.prompt, row.completion, score)


@dataclass(frozen=True, slots=True)
class _Question:
    """The failing slices of a probe report, and the rows that may be to blame."""

    failing: tuple[FailingSlice, ...]
    failures: tuple[list[ItemResult], ...]
    """Failed items of each slice, in random order."""
    queries: tuple[list[ItemResult], ...]
    """Those of them that are attributed."""
    scored: NDArray[np.int64]
    """Rows that are attributed."""
    material: _Material


@dataclass
class Diagnoser:
    """Settings of the diagnosis; every field is a key `diagnose.<field>`."""

    max_findings: int = 5
    alpha: float = 0.05
    """Rate of false discoveries among the failing slices."""
    min_items: int = 20
    """Probe items of a slice."""
    min_gap: float = 0.05
    """How much more often than the rest a slice must fail."""
    max_failure_rate: float = 0.1
    """A task that fails more often than this is a finding even if nothing does better."""
    num_examples: int = 5
    """Training rows and failed items shown with a finding."""
    max_queries: int = 256
    """Failed items of a slice that are attributed, drawn at random."""
    max_rows: int | None = 8_000
    """Training rows that are attributed, drawn at random; unset means all. On SCAN 4,000 of 22,700 name the same
    data slice with an interval of 6 %."""
    influence: Influence = field(default_factory=Influence)

    def __post_init__(self) -> None:
        for key in ("max_findings", "min_items", "max_queries", "max_rows"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ValueError(f"diagnose.{key} must be at least 1, got {value}; leave it out for the default")
        for key in ("alpha", "min_gap", "max_failure_rate"):
            value = getattr(self, key)
            if not 0 < value < 1:
                raise ValueError(f"diagnose.{key} must be between 0 and 1, got {value}; leave it out for the default")
        if self.num_examples < 0:
            raise ValueError(f"diagnose.num_examples must not be negative, got {self.num_examples}")

    def find(self, probe: ProbeReport, fields: Sequence[str], guards: Collection[str]) -> tuple[FailingSlice, ...]:
        """The failing slices alone; as `find_failing_slices`."""
        thresholds = Thresholds(self.alpha, self.min_items, self.min_gap, self.max_failure_rate)
        return find_failing_slices(probe, fields, guards, thresholds)[: self.max_findings]

    def diagnose(
        self,
        *,
        probe: ProbeReport,
        corpus: TrainPool,
        pool: TrainPool | None,
        tokenizer: PreTrainedTokenizerBase,
        checkpoints: Sequence[Checkpoint],
        item_fields: Sequence[str],
        row_fields: Sequence[str],
        guards: Collection[str],
        index: ItemIndex,
        max_length: int,
        seed: int,
        folder: Path | None = None,
        told: Told = lambda _done, _total: None,
    ) -> Diagnosis:
        """Findings with their causes.

        Args:
            probe: All probe items of tasks and guards.
            corpus: What the model was trained on.
            pool: What a fix may draw on.
            tokenizer: Of the model.
            checkpoints: Of one training, oldest first; the last is the model that was measured.
            item_fields: Document fields by which failures are reported (`evals.slices`).
            row_fields: Metadata fields by which data is reported (`corpus.slices`).
            guards: Names of tasks that are never fixed.
            index: Of the items of all splits; says which rows repeat one and gives none away.
            max_length: Tokens of a row, as in training.
            seed: Of the draws of queries and rows, and of the projection.
            folder: Where attribution keeps what is done, of this very call.
            told: Rows attributed, and of how many.
        """
        start = time.perf_counter()
        contaminated = find_contamination(probe, corpus, index, self.num_examples)
        num_failed = sum(result.is_failed for result in probe.results)
        asked = self._question(probe, corpus, pool, item_fields, row_fields, guards, seed)
        if asked is None:
            log.info("no slice fails: %d of %d probe items failed", num_failed, len(probe.results))
            return Diagnosis(contaminated, len(probe.results), num_failed, 0)
        attribution = attribute(
            self.influence,
            checkpoints,
            failed_items(asked.queries, tokenizer, max_length),
            TrainRows(corpus, pool, asked.scored, tokenizer, max_length),
            seed,
            folder=folder,
            told=told,
        )
        scores = attribution.whole()
        is_sound = ~scores.is_left_out
        findings = tuple(
            self._finding(
                asked, k, RowScores(scores.effect[is_sound, k], scores.retrieval[is_sound, k], asked.scored[is_sound])
            )
            for k in range(len(asked.failing))
        )
        log.info(
            "%d findings in %d failures of %d probe items, %d rows attributed: %.1f s, %d tokens",
            len(findings),
            num_failed,
            len(probe.results),
            len(asked.scored),
            time.perf_counter() - start,
            attribution.num_tokens,
        )
        return Diagnosis((*findings, *contaminated), len(probe.results), num_failed, attribution.num_tokens)

    def diagnose_by_words(
        self,
        *,
        probe: ProbeReport,
        corpus: TrainPool,
        pool: TrainPool | None,
        item_fields: Sequence[str],
        row_fields: Sequence[str],
        guards: Collection[str],
        seed: int,
    ) -> Diagnosis:
        """The same slices, queries and rows with BM25 in the place of influence: what attribution has to beat.

        Arguments as for `diagnose`; no model is asked.
        """
        num_failed = sum(result.is_failed for result in probe.results)
        asked = self._question(probe, corpus, pool, item_fields, row_fields, guards, seed)
        if asked is None:
            return Diagnosis((), len(probe.results), num_failed, 0)
        texts = [f"{p} {c}" for p, c in zip(*row_texts(corpus, pool, asked.scored), strict=True)]
        findings = []
        for k, group in enumerate(asked.queries):
            scores = mean_scores([_query(result.item) for result in group], texts)
            findings.append(self._finding(asked, k, RowScores(scores, scores, asked.scored)))
        return Diagnosis(tuple(findings), len(probe.results), num_failed, 0)

    def _question(
        self,
        probe: ProbeReport,
        corpus: TrainPool,
        pool: TrainPool | None,
        item_fields: Sequence[str],
        row_fields: Sequence[str],
        guards: Collection[str],
        seed: int,
    ) -> _Question | None:
        """None where no slice fails."""
        failing = self.find(probe, item_fields, guards)
        if not failing:
            return None
        rows = row_table(corpus, row_fields)
        material = _Material(
            probe=probe,
            items=item_table([result.item for result in probe.results], dict.fromkeys([*item_fields, *row_fields])),
            rows=rows if pool is None else joined(rows, row_table(pool, row_fields)),
            corpus=corpus,
            pool=pool,
        )
        rng = np.random.default_rng(seed)
        failures = tuple(_failures(material, found.slice, rng) for found in failing)
        scored = _draw(len(material.rows), self.max_rows, rng)
        queries = tuple(failure[: self.max_queries] for failure in failures)
        return _Question(failing, failures, queries, scored, material)

    def _finding(self, asked: _Question, number: int, scores: RowScores) -> Finding:
        found, failed, material = asked.failing[number], asked.failures[number], asked.material
        in_slice = material.items.members(found.slice)
        data = find_data_slices(
            found.slice, in_slice, material.items, material.rows, scores, num_corpus=len(material.corpus)
        )
        counts = _counts(data, in_slice, material)
        evidence: dict[str, float | str] = dict(counts.as_evidence()) if counts is not None else {}
        if data.coverage is not None:
            evidence["coverage"] = data.coverage
        if data.unconfirmed is not None:
            evidence["unconfirmed_data_slice"] = str(data.unconfirmed)
        return Finding(
            slice=found.slice,
            data_slice=data.slices[0].slice if data.slices else Slice(()),
            num_items=found.num_items,
            num_failed=found.num_failed,
            failure_rate=found.failure_rate,
            ci=found.ci,
            p_adjusted=found.p_adjusted,
            modes=mode_shares(failed),
            causes=cause_probabilities(counts),
            data_slices=data.slices,
            evidence=evidence,
            examples=self._examples(material, scores),
            failed_items=tuple(
                FailedItem(r.item.id, r.item.task, r.item.prompt, r.item.target, r.answer)
                for r in failed[: self.num_examples]
            ),
            queries=tuple(_query(result.item) for result in asked.queries[number]),
        )

    def _examples(self, material: _Material, scores: RowScores) -> Examples:
        """Rows with the highest and the lowest effect, each content once."""
        order = np.argsort(-scores.effect, kind="stable")
        helpful = [k for k in order.tolist() if scores.effect[k] > 0]
        harmful = [k for k in order[::-1].tolist() if scores.effect[k] < 0]

        def distinct(ranked: Sequence[int]) -> tuple[ScoredExample, ...]:
            shown: dict[tuple[str, str], ScoredExample] = {}
            for k in ranked:
                if len(shown) >= self.num_examples:
                    break
                example = material.row(int(scores.rows[k]), float(scores.effect[k]))
                shown.setdefault((example.prompt, example.completion), example)
            return tuple(shown.values())

        return Examples(helpful=distinct(helpful), harmful=distinct(harmful))


def _failures(material: _Material, where: Slice, rng: np.random.Generator) -> list[ItemResult]:
    """Failed items of a slice, in random order."""
    results = material.probe.results
    failed = [results[k] for k in np.flatnonzero(material.items.members(where)).tolist() if results[k].is_failed]
    return [failed[k] for k in rng.permutation(len(failed)).tolist()]


def _query(item: Item) -> str:
    """Question and target; the target alone where a task has no prompt."""
    return item.text if item.text == item.target else f"{item.text} {item.target}"


def _draw(num_rows: int, most: int | None, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows to attribute, in order."""
    if most is None or num_rows <= most:
        return np.arange(num_rows, dtype=np.int64)
    return np.sort(rng.choice(num_rows, most, replace=False)).astype(np.int64)


def _counts(data: DataJoin, in_slice: NDArray[np.bool_], material: _Material) -> DataCounts | None:
    if not data.slices:
        return None
    best = data.slices[0]
    (key, _), *further = best.slice.conditions
    siblings = None
    if not further and key not in (PROMPT_CONTAINS, PROMPT_WORDS):
        named = [value for value in material.rows.fields[key].tolist() if value is not None]
        _, sizes = np.unique(named, return_counts=True)
        siblings = int((sizes >= MIN_ROWS).sum())
    return DataCounts(
        corpus_rows=best.num_examples,
        corpus_share=best.num_examples / len(material.corpus),
        fair_share=fair_share(float(in_slice.mean()), siblings),
        pool_rows=best.num_pool,
    )
