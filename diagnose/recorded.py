"""Diagnose answers that somebody else recorded: there is no model that could be asked.

Failing slices and failure modes need the answers alone; words, copies and labels of rows, and items that stand among
them, need a corpus. Nobody says that the model was trained on that corpus, so no cause is named: what the rows show
stands as evidence. Each test that is left out is listed with its reason.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diagnose.assemble import Dossier, make_finding
from diagnose.case import Case, Scope
from diagnose.diagnoser import Diagnoser
from diagnose.evidence.baselines import by_words
from diagnose.evidence.contamination import find_contamination, in_order, repeated_only
from diagnose.evidence.examine import CauseTest, Means, Needs, examine
from diagnose.evidence.from_rows.amounts import nearest_rows
from diagnose.evidence.golds.doubts import GoldDoubts
from diagnose.evidence.sample import make_subjects, sample_rows, sample_table
from diagnose.finding.answer_labels import label_golds
from diagnose.finding.evidence import Evidence, LeftOut
from diagnose.finding.finding import Cause, Diagnosis, Examples
from diagnose.model.leaned_words import NOTHING_LEANED_ON
from diagnose.modes.fit import classifier_with
from diagnose.modes.name import mode_shares
from diagnose.slices.data.find import DataJoin
from diagnose.slices.failing.find import FailingSlice
from diagnose.slices.predicate import Slice, SliceTable, item_table
from diagnose.slices.tree import slice_tree
from evals.items import ItemKey, ItemResult, ProbeReport

log = logging.getLogger(__name__)

_NO_MODEL = "it reads the model's weights, and answers are recorded; name the model with model=pretrained"
_NO_ASKING = "it asks the model again, and answers are recorded; name the model with model=pretrained"
_NO_CORPUS = "it reads rows, and there is no corpus; name one with corpus.train"
_NOT_SAID = "the corpus is not said to be what the model was trained on; name the model with model=pretrained"
_NO_CAUSE = {Cause.UNKNOWN: 1.0}


@dataclass(frozen=True, slots=True)
class RecordedCase:
    """Recorded answers, without rows to set beside them."""

    probe: ProbeReport
    item_fields: Sequence[str]
    guards: Sequence[str]
    seed: int


def diagnose_recorded(diagnoser: Diagnoser, case: Case | RecordedCase, golds: GoldDoubts | None) -> Diagnosis:
    """Find failing slices, how they fail, and what rows and other models' answers show of them.

    Args:
        diagnoser: Settings of the diagnosis.
        case: Recorded answers, with a corpus or without.
        golds: Doubtful golds by the answers of several models; None where there is one model.
    """
    failing = diagnoser.find(case.probe, case.item_fields, case.guards)
    classifier = classifier_with(diagnoser.mode_labels)
    table = item_table([result.item for result in case.probe.results], case.item_fields)
    if isinstance(case, Case):
        found = find_contamination(case, diagnoser.num_examples, classifier)
        contaminated = tuple(repeated_only(finding) for finding in found)
        scope = diagnoser.scope(case, failing)
        shown = _beside_rows(diagnoser, case, scope) if scope is not None else []
    else:
        contaminated, shown = (), _alone(case, failing, table)
    doubted = frozenset(doubt.key for doubt in golds.doubts) if golds is not None else frozenset()
    findings = []
    for slice_, one in zip(failing, shown, strict=True):
        evidence = one.tests if golds is None else (*one.tests, _doubted(one.failed, doubted, golds))
        dossier = Dossier(
            failing=slice_,
            failed=one.failed,
            queries=(),
            data=DataJoin((), None, one.unconfirmed),
            rivals={},
            examples=one.examples,
            tests=evidence,
            modes=mode_shares(one.failed, classifier),
            golds=label_golds(case.probe.results, table.members(slice_.slice)),
        )
        findings.append(replace(make_finding(dossier, NOTHING_LEANED_ON, diagnoser.num_examples), causes=_NO_CAUSE))
    is_failed = np.array([result.is_failed for result in case.probe.results], bool)
    log.info("%d failing slices in %d failures of %d probe items", len(failing), is_failed.sum(), len(is_failed))
    return Diagnosis(
        findings=in_order(findings, contaminated),
        num_items=len(is_failed),
        num_failed=int(is_failed.sum()),
        num_tokens=0,
        tree=slice_tree([one.slice for one in failing], table, is_failed),
        left_out=tuple(_left_out(diagnoser.tests, has_corpus=isinstance(case, Case), has_golds=golds is not None)),
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is shown of one failing slice."""

    failed: Sequence[ItemResult]
    """Failed items of the slice, in random order."""
    unconfirmed: Slice | None
    """Slice of rows that words alone name; attribution confirms none."""
    examples: Examples
    tests: tuple[Evidence, ...]


def _alone(case: RecordedCase, failing: Sequence[FailingSlice], table: SliceTable) -> list[_Shown]:
    rng = np.random.default_rng(case.seed)
    shown = []
    for one in failing:
        members = np.flatnonzero(table.members(one.slice))
        failed = [r for r in (case.probe.results[k] for k in rng.permutation(members).tolist()) if r.is_failed]
        shown.append(_Shown(failed, None, Examples((), ()), ()))
    return shown


def _beside_rows(diagnoser: Diagnoser, case: Case, scope: Scope) -> list[_Shown]:
    """Set the rows beside each slice by words alone: those nearest to it, and tests that need no model."""
    joins = diagnoser.joins_by_words(case, scope)
    rows = sample_rows(case, scope, by_words(case, scope))
    subjects = make_subjects(case, scope, joins, rows, sample_table(case, rows))
    means = Means(None, None, {})
    return [
        _Shown(
            failed=scope.failures[number],
            unconfirmed=join.slices[0].slice if join.slices else join.unconfirmed,
            examples=Examples((), (), nearest_rows(subject, diagnoser.num_examples)),
            tests=examine(subject, means, diagnoser.tests),
        )
        for number, (join, subject) in enumerate(zip(joins, subjects, strict=True))
    ]


def _doubted(failed: Sequence[ItemResult], doubted: Collection[ItemKey], golds: GoldDoubts) -> Evidence:
    hits = [result.item.key for result in failed if result.item.key in doubted]
    says = (
        f"On {len(hits)} of {len(failed)} failed items more of {len(golds.weights)} models agree on one other answer "
        "than on the gold."
    )
    return Evidence("recorded_golds", {"gold_outvoted": len(hits) / len(failed)}, says, items=tuple(hits))


def _left_out(tests: Sequence[CauseTest], *, has_corpus: bool, has_golds: bool) -> list[LeftOut]:
    reasons = {
        Needs.ROWS: None if has_corpus else _NO_CORPUS,
        Needs.EFFECTS: _NO_MODEL if has_corpus else _NO_CORPUS,
        Needs.MODEL: _NO_MODEL,
        Needs.ASKING: _NO_ASKING,
    }
    left = [LeftOut(test.name, reason) for test in tests if (reason := reasons[test.needs]) is not None]
    if not has_corpus:
        left.append(LeftOut("contamination", _NO_CORPUS))
    left += [
        LeftOut("attribution", _NO_MODEL),
        LeftOut("profiles", _NO_MODEL),
        LeftOut("causes", _NOT_SAID if has_corpus else _NO_CORPUS),
    ]
    if not has_golds:
        left.append(
            LeftOut("recorded_golds", "it compares several models' answers; name them as evals.samples=[DIR1,DIR2]")
        )
    return left
