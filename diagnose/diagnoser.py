"""Diagnose a probe report: which slices fail, which data is behind each, and the likely cause.

Failing slices come first and are cheap; without any, nothing is attributed. Attribution is one pass over at most
`max_rows` training rows for all findings together, and is by far the largest cost.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from diagnose.assemble import Dossier, find_examples, make_finding
from diagnose.attribution.ekfac import EkfacEffects, ekfac_effects
from diagnose.attribution.fidelity import MIN_PARTS
from diagnose.attribution.influence import Influence
from diagnose.attribution.shards import ScoredRows
from diagnose.attribution.stream import Attribution, ReportProgress, attribute
from diagnose.attribution.train_rows import TrainRows
from diagnose.case import Case, Scope, affordable_queries, affordable_rows, draw_scope
from diagnose.evidence.baselines import CONTROLS, beside, by_words
from diagnose.evidence.contamination import find_contamination, in_order, repeated_only
from diagnose.evidence.examine import TESTS, CauseTest, Means, examine, left_out_beside
from diagnose.evidence.from_model.golds import item_likelihoods
from diagnose.evidence.from_rows.amounts import nearest_rows
from diagnose.evidence.nearest import NearestRows, StatesOf
from diagnose.evidence.profiles import join_profiles
from diagnose.evidence.sample import make_subjects, sample_rows, sample_table
from diagnose.finding.answer_labels import label_golds
from diagnose.finding.evidence import Evidence
from diagnose.finding.finding import Attributed, Diagnosis, Examples, Finding
from diagnose.model.asked_model import AskedModel, Asker, Trained
from diagnose.model.checkpoint import check_checkpoints
from diagnose.model.hidden_states import TextStates
from diagnose.model.leaned_words import NOTHING_LEANED_ON, LeanedOn, leaned_on
from diagnose.model.queries import Queries, failed_items
from diagnose.modes.examples import labels_digest
from diagnose.modes.fit import classifier_with
from diagnose.modes.name import mode_shares
from diagnose.rows.tokens import TokenSource
from diagnose.slices.data.find import DataJoin, find_data_slices
from diagnose.slices.data.parts import scored_parts
from diagnose.slices.failing.counts import Thresholds
from diagnose.slices.failing.find import FailingSlice, find_failing_slices
from diagnose.slices.text_clusters import Space
from diagnose.slices.tree import slice_tree
from evals.items import ProbeReport
from evals.validation import FREE, counted, one_of

log = logging.getLogger(__name__)

Keep = Callable[[Scope, Queries, Attribution], None]

_WORDS_OF = 16
"""Number of failed items of each slice whose words are attributed, for cue tests."""
FORWARD_SHARE = 3
"""Number of forward passes that cost as much as one forward and backward."""
_MOST_NAMED = 20
"""Number of rows left out whose ids are kept."""


@dataclass
class Diagnoser:
    """Settings of the diagnosis; every field is a key `diagnose.<field>`."""

    max_findings: int = 5
    """Most failing slices that are diagnosed, those with most failed items first."""
    alpha: float = 0.05
    """Rate of false discoveries among the failing slices."""
    min_items: int = 20
    """Fewest probe items of a slice."""
    min_gap: float = 0.05
    """How much more often than the rest a slice must fail, as a difference of rates."""
    max_failure_rate: float = 0.1
    """A task that fails more often than this is a finding even if nothing does better."""
    num_examples: int = 5
    """Number of training rows and of failed items shown with a finding."""
    max_queries: int = 256
    """Most failed items of a slice that are attributed, drawn at random; beside a small corpus fewer, so that they
    cost no more than its rows."""
    max_rows: int | None = 8_000
    """Most training rows that are attributed, drawn at random; of a small corpus fewer, so that the diagnosis costs no
    more than about two passes over it; unset means all. On SCAN 4,000 of 22,700 name the same data slice with an
    interval of 6 %."""
    influence: Influence = field(default_factory=Influence)
    token_steps: int = 16
    """Steps of the integrated gradients that show which words of a failed item the model leaned on; where they do not
    add up, twice as many pieces of the prompt are left out in turn. 0 for none."""
    mode_labels: str | None = None
    """JSONL of failed answers with prompt, target, answer and mode (of `diagnose.modes.mode.Mode`), optionally
    output_type, from which the classifier of failure modes learns beside the examples that ship with it."""
    pilots: str = "auto"
    """Whether repairs of rival causes are tried in small trainings, and outweigh all other evidence: `auto`, in a loop
    and a proposal whose fix depends on the cause, for findings that neither a check nor evidence alone settles
    (`diagnose.finding.open_causes`), and before rows leave; `always`, for these too and in `evalmend diagnose`; or
    `never`, and then no row leaves or changes unless the user chose such a fix."""
    pilot_share: float = 0.35
    """Largest share of the tokens of a round's trainings that these may take."""
    fidelity: bool = field(default=False, metadata=FREE)
    """Retrain on parts of the corpus and measure how reliable the attribution is; the diagnosis stays the same."""
    fidelity_parts: int = field(default=16, metadata=FREE)
    """Number of random halves of the attributed rows that are trained on for `fidelity`."""
    fidelity_seeds: int = field(default=2, metadata=FREE)
    """Trainings of each part, in other orders; one does not show how much chance alone decides."""

    tests: ClassVar[tuple[CauseTest, ...]] = TESTS
    """Tests of each failing slice; a subclass may add its own."""

    def __post_init__(self) -> None:
        for key in ("max_findings", "min_items", "max_queries", "max_rows"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ValueError(f"diagnose.{key} must be at least 1, got {value}; leave it out for the default")
        for key in ("alpha", "min_gap", "max_failure_rate"):
            value = getattr(self, key)
            if not 0 < value < 1:
                raise ValueError(f"diagnose.{key} must be between 0 and 1, got {value}; leave it out for the default")
        for key in ("num_examples", "token_steps"):
            value = getattr(self, key)
            if value < 0:
                raise ValueError(f"diagnose.{key} must not be negative, got {value}; 0 leaves it out")
        one_of("diagnose.pilots", self.pilots, ("auto", "always", "never"))
        if not 0 < self.pilot_share <= 1:
            raise ValueError(
                f"diagnose.pilot_share must be above 0 and at most 1, got {self.pilot_share}; diagnose.pilots=never "
                "tries nothing"
            )
        if self.fidelity_parts < MIN_PARTS:
            raise ValueError(
                f"diagnose.fidelity_parts must be at least {MIN_PARTS}, got {self.fidelity_parts}; a rank correlation "
                "over fewer trainings says nothing"
            )
        if self.fidelity_seeds < 1:
            raise ValueError(f"diagnose.fidelity_seeds must be at least 1, got {self.fidelity_seeds}; 2 is the default")

    @property
    def determining(self) -> dict[str, Any]:
        """Settings that a diagnosis depends on, with the content of mode labels; without those of the trainings that
        test it, or of where gradients are kept.

        Raises:
            ValueError: as in `read_mode_labels`.
        """
        settings = counted(self) | {"influence": counted(self.influence)}
        return settings | {"mode_labels": labels_digest(self.mode_labels) if self.mode_labels is not None else None}

    def find(
        self, probe: ProbeReport, fields: Sequence[str], guards: Collection[str], hidden: Space | None = None
    ) -> tuple[FailingSlice, ...]:
        """Find the failing slices alone, at most `max_findings`, as `find_failing_slices` does."""
        thresholds = Thresholds(self.alpha, self.min_items, self.min_gap, self.max_failure_rate)
        return find_failing_slices(probe, fields, guards, thresholds, hidden)[: self.max_findings]

    def diagnose(
        self,
        case: Case,
        model: AskedModel,
        folder: Path | None = None,
        report_progress: ReportProgress = lambda _done, _total: None,
        keep: Keep = lambda _scope, _queries, _attribution: None,
        asker: Asker | None = None,
    ) -> Diagnosis:
        """Find failing slices, the data behind each and its cause.

        Args:
            case: Answers of the model, and its data.
            model: Model whose answers are explained; its checkpoints are attributed by.
            folder: Where attribution keeps its progress, of this very call; without it, in memory.
            report_progress: Called with the number of rows attributed and the total, over all checkpoints.
            keep: Called with the failing slices, their queries and the scores: a column for each finding of a failing
                slice, in that order.
            asker: Asks the model again under other prompts; None leaves such tests out.
        """
        start = time.perf_counter()
        classifier = classifier_with(self.mode_labels)
        contaminated = find_contamination(case, self.num_examples, classifier)
        if not case.is_training_data:
            contaminated = tuple(repeated_only(finding) for finding in contaminated)
        hidden = TextStates(model, self.influence.batch_tokens)
        scope = self.scope(case, self.find(case.probe, case.item_fields, case.guards, hidden))
        if scope is None:
            return _nothing_fails(case, contaminated, hidden.num_tokens // FORWARD_SHARE)
        check_checkpoints(model.checkpoints, len(model.tokenizer))
        max_length = model.most_tokens
        queries = failed_items(scope.queries, model.tokenizer, max_length)
        train = TrainRows(case.corpus, case.pool, scope.scored, model.tokenizer, max_length)
        attribution = attribute(
            self.influence,
            model.checkpoints,
            queries,
            train,
            case.seed,
            folder=folder,
            report_progress=report_progress,
            load=model.load,
        )
        keep(scope, queries, attribution)
        ranked = self._reranked(attribution, model, queries, train, case.seed)
        # Tests of cues use the words of more items than are shown.
        has_cues = asker is not None and case.is_training_data
        num_words_of = max(self.num_examples, _WORDS_OF) if has_cues else self.num_examples
        shown = [result for failed in scope.failures for result in failed[:num_words_of]]
        leaned = leaned_on(shown, model, self.token_steps)
        parts: Iterable[ScoredRows | EkfacEffects] = attribution.parts() if ranked is None else [ranked]
        examples = find_examples(case, scope, ((part.rows, part.effect) for part in parts), self.num_examples)
        trained = Trained(
            model.load(),
            model.tokenizer,
            max_length,
            model.end_in_loss,
            self.influence.batch_tokens,
            model.passes,
        )
        states = StatesOf(trained, case.corpus.rendering.delimiter)
        joins = self._joins(case, scope, lambda: beside(case, scope, attribution.parts()), CONTROLS, states)
        rows = sample_rows(case, scope, attribution.parts())
        table = sample_table(case, rows)
        subjects = make_subjects(case, scope, [own for own, _ in joins], rows, table)
        means = Means(trained, asker, leaned.words)
        tests = [examine(subject, means, self.tests) for subject in subjects]
        examples = [
            replace(found, nearest=nearest_rows(subject, self.num_examples))
            for found, subject in zip(examples, subjects, strict=True)
        ]
        likelihoods = item_likelihoods([r for subject in subjects for r in subject.failed[: self.max_queries]], trained)
        modes = [mode_shares(failed, classifier, likelihoods.of) for failed in scope.failures]
        findings = self._findings(case, scope, joins, examples, leaned, tests, modes)
        num_tokens = attribution.num_tokens + leaned.num_tokens + (ranked.num_tokens if ranked is not None else 0)
        num_forward = (
            hidden.num_tokens
            + leaned.num_forward
            + states.num_tokens
            + likelihoods.num_tokens
            + sum(test.num_tokens for found in tests for test in found)
        )
        num_tokens += num_forward // FORWARD_SHARE
        log.info(
            "%d findings in %d failures of %d probe items, %d rows attributed: %.1f s, %d tokens",
            len(findings),
            _num_failed(case),
            len(case.probe.results),
            len(scope.scored),
            time.perf_counter() - start,
            num_tokens,
        )
        is_failed = np.array([result.is_failed for result in case.probe.results], bool)
        return Diagnosis(
            findings=in_order(findings, contaminated),
            num_items=len(case.probe.results),
            num_failed=_num_failed(case),
            num_tokens=num_tokens,
            attributed=_attributed(case, scope, attribution, self.influence.last_blocks, len(model.checkpoints)),
            profiles=join_profiles(case.probe.results, scope.items, rows, table),
            tree=slice_tree([one.slice for one in scope.failing], scope.items, is_failed),
            left_out=left_out_beside(case, self.tests),
        )

    def diagnose_by_words(self, case: Case, found: Diagnosis) -> Diagnosis:
        """Diagnose the slices of `found`, its queries and rows, with BM25 in the place of influence: the control that
        attribution has to beat."""
        scope = self.scope(case, tuple(_failing(finding) for finding in found.attributed_findings))
        if scope is None:
            return _nothing_fails(case, (), 0)
        row_effects = ((part.rows, part.effect) for part in by_words(case, scope))
        examples = find_examples(case, scope, row_effects, self.num_examples)
        joins = self._joins(case, scope, lambda: by_words(case, scope), (), None)
        classifier = classifier_with(self.mode_labels)
        modes = [mode_shares(failed, classifier) for failed in scope.failures]
        findings = self._findings(case, scope, joins, examples, NOTHING_LEANED_ON, [() for _ in scope.failing], modes)
        return Diagnosis(findings, len(case.probe.results), _num_failed(case), 0)

    def scope(self, case: Case, failing: tuple[FailingSlice, ...]) -> Scope | None:
        """Draw queries and rows; None where no slice fails."""
        if not failing:
            return None
        num_rows = case.num_rows
        if self.max_rows is not None:
            num_rows = min(num_rows, affordable_rows(case, len(failing), self.max_rows))
        most_queries = min(self.max_queries, affordable_queries(case, len(failing), num_rows))
        return draw_scope(case, failing, most_queries, num_rows)

    def joins_by_words(self, case: Case, scope: Scope) -> list[DataJoin]:
        """Find rows that ask what each failing slice asks, by BM25 in the place of influence; uses no model."""
        return [own for own, _ in self._joins(case, scope, lambda: by_words(case, scope), (), None)]

    def _reranked(
        self,
        attribution: Attribution,
        model: AskedModel,
        queries: Queries,
        train: TokenSource,
        seed: int,
    ) -> EkfacEffects | None:
        """Compute the effects of the extreme rows of each query anew; None where `influence.rerank` is 0."""
        if not self.influence.rerank:
            return None
        chosen = attribution.extreme_rows(self.influence.rerank)
        return ekfac_effects(self.influence, model.checkpoints, queries, train, chosen, seed, model.load)

    def _joins(
        self,
        case: Case,
        scope: Scope,
        scores: Callable[[], Iterator[ScoredRows]],
        controls: Sequence[str],
        states_of: StatesOf | None,
    ) -> list[tuple[DataJoin, Mapping[str, DataJoin]]]:
        """Find the data slices of each failing slice, and those of each control; `scores` has a column for each slice,
        and as many for each control. Without `states_of` the nearest rows are found without hidden states."""
        rows = scored_parts(case.corpus, case.pool, case.row_fields, scope.scored, scores)
        number = len(scope.failing)
        joins = find_data_slices(scope.failing_items * (1 + len(controls)), scope.items, rows)
        own = NearestRows(states_of, self.max_rows, self.num_examples).join(case, scope, joins[:number], rows)
        return [(own[k], {name: joins[k + number * (1 + c)] for c, name in enumerate(controls)}) for k in range(number)]

    def _findings(
        self,
        case: Case,
        scope: Scope,
        joins: Sequence[tuple[DataJoin, Mapping[str, DataJoin]]],
        examples: Sequence[Examples],
        leaned: LeanedOn,
        tests: Sequence[tuple[Evidence, ...]],
        modes: Sequence[Mapping[str, float]],
    ) -> tuple[Finding, ...]:
        dossiers = [
            Dossier(
                failing=found,
                failed=scope.failures[k],
                queries=scope.texts[k],
                data=joins[k][0],
                rivals=joins[k][1],
                examples=examples[k],
                tests=tests[k],
                modes=modes[k],
                golds=label_golds(case.probe.results, scope.items.members(found.slice)),
                is_training_data=case.is_training_data,
            )
            for k, found in enumerate(scope.failing)
        ]
        return tuple(make_finding(dossier, leaned, self.num_examples) for dossier in dossiers)


def _failing(finding: Finding) -> FailingSlice:
    return FailingSlice(finding.slice, finding.num_items, finding.num_failed, finding.ci, finding.p_adjusted)


def _nothing_fails(case: Case, contaminated: tuple[Finding, ...], num_tokens: int) -> Diagnosis:
    log.info("no slice fails: %d of %d probe items failed", _num_failed(case), len(case.probe.results))
    return Diagnosis(contaminated, len(case.probe.results), _num_failed(case), num_tokens)


def _attributed(
    case: Case, scope: Scope, attribution: Attribution, last_blocks: int | None, num_checkpoints: int
) -> Attributed:
    num_truncated, left_out = 0, np.zeros(0, np.int64)
    for part in attribution.parts():
        num_truncated += part.num_truncated
        left_out = np.concatenate([left_out, scope.scored[part.rows[part.is_left_out]]])
    return Attributed(
        num_rows=len(scope.scored),
        num_truncated=num_truncated,
        num_left_out=len(left_out),
        left_out=tuple(case.row(row, 0.0).id for row in left_out[:_MOST_NAMED].tolist()),
        num_items_left_out=len(attribution.left_out_queries),
        last_blocks=last_blocks,
        num_checkpoints=num_checkpoints,
    )


def _num_failed(case: Case) -> int:
    return sum(result.is_failed for result in case.probe.results)
