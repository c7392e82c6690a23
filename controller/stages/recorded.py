"""Stages of answers that were recorded elsewhere: a report, the golds that several models doubt, and a diagnosis."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from controller.data.mixes import load_pool
from controller.data.reports import read_report_json, write_report_json
from controller.engine.artifacts import Artifact, Data
from controller.stages.inputs import save_diagnosis
from controller.stages.measure import PinnedSuite
from diagnose.case import Case
from diagnose.diagnoser import Diagnoser
from diagnose.evidence.golds.doubts import GoldDoubts, doubt_golds
from diagnose.evidence.golds.votes import AskedItem
from diagnose.recorded import RecordedCase, diagnose_recorded
from evals.items import Item, ProbeReport
from evals.leaks.item_index import index_items
from evals.leaks.templates import make_templates
from evals.samples.read import read_samples
from evals.samples.results import Scored, score_recording
from evals.splits import Split
from evals.suite import EvalSuite

ERRATA_FILE = "errata.jsonl"
DOUBTS_FILE = "golds.json"


@dataclass(frozen=True, slots=True)
class Samples:
    """Recorded answers of one or several models."""

    suite: EvalSuite
    content: str
    """Hash of every file: `evals.samples` says where they lie, not what they are."""

    def load(self) -> list[Scored]:
        """Read and score the answers of each model, the diagnosed one first."""
        return [score_recording(recording, self.suite) for recording in read_samples(self.suite)]

    def load_first(self) -> Scored:
        """Read and score the answers of the diagnosed model alone."""
        suite = replace(self.suite, samples=self.suite.samples[:1])
        return score_recording(read_samples(suite)[0], suite)


@dataclass(frozen=True, slots=True)
class RecordedInputs:
    """Everything that a diagnosis of recorded answers is made from, on disk."""

    diagnoser: Diagnoser
    samples: Samples
    golds: Artifact | None
    """Result of `doubt_recorded_golds`; None where one model answered."""
    corpus: Data | None
    pool: Data | None
    row_fields: Sequence[str]
    seed: int


def read_report(folder: Path, samples: Samples, asked: PinnedSuite | None) -> int:
    """Write the probe report of the first model; returns the number of its items.

    Args:
        folder: Where `report.json` goes.
        samples: Recorded answers.
        asked: Suite by which the model can be asked again, whose items the recorded ones must be; None where it cannot.

    Raises:
        ValueError: as in `read_samples` and `score_recording`, or an item is not of the suite.
    """
    scored = samples.load_first()
    if asked is not None:
        scored = scored.on(asked.load().items)
    report = scored.report(Split.PROBE)
    write_report_json(report, folder)
    return len(report.results)


def doubt_recorded_golds(folder: Path, samples: Samples) -> int:
    """Doubt golds by the answers of several models; writes `golds.json` and, for the maintainers, `errata.jsonl`, and
    returns the number of items."""
    models = samples.load()
    items = {item.key: item for scored in models for item in scored.items}
    choices = {key: texts for scored in models for key, texts in scored.choices.items()}
    subject = samples.suite.slices[0] if samples.suite.slices else "task"
    asked = [
        AskedItem(key, item.target, choices[key], str(item.document.get(subject, item.task)))
        for key, item in items.items()
    ]
    found = doubt_golds(asked, {scored.model: scored.answers for scored in models})
    (folder / DOUBTS_FILE).write_bytes(TypeAdapter(GoldDoubts).dump_json(found))
    lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in _errata(found, items))
    (folder / ERRATA_FILE).write_text("".join(lines), encoding="utf-8")
    return found.num_items


def diagnose_samples(folder: Path, inputs: RecordedInputs, report: Artifact) -> int:
    """Diagnose recorded answers without a model, and write `diagnosis.json`; returns the number of items."""
    probe = read_report_json(report.folder, ProbeReport)
    assert isinstance(probe, ProbeReport)
    golds = None
    if inputs.golds is not None:
        golds = TypeAdapter(GoldDoubts).validate_json((inputs.golds.folder / DOUBTS_FILE).read_bytes())
    suite = inputs.samples.suite
    case: Case | RecordedCase = RecordedCase(probe, tuple(suite.slices), tuple(suite.guards), inputs.seed)
    if inputs.corpus is not None:
        items = inputs.samples.load_first().items
        case = Case(
            probe=probe,
            corpus=load_pool(inputs.corpus.folder),
            pool=load_pool(inputs.pool.folder) if inputs.pool is not None else None,
            item_fields=tuple(suite.slices),
            row_fields=tuple(inputs.row_fields),
            guards=tuple(suite.guards),
            index=index_items(items, make_templates(suite.templates)),
            seed=inputs.seed,
        )
    diagnosis = diagnose_recorded(inputs.diagnoser, case, golds)
    save_diagnosis(diagnosis, folder)
    return diagnosis.num_items


def _errata(found: GoldDoubts, items: Mapping[Any, Item]) -> list[dict[str, Any]]:
    """Lines of the errata file, the most probably wrong gold first."""
    return [
        {
            "task": doubt.key.task,
            "item": doubt.key.id,
            "document": dict(items[doubt.key].document),
            "recorded_gold": doubt.recorded_gold,
            "suggested_gold": doubt.suggested_gold,
            "probability_wrong": round(doubt.probability, 4),
            "probability_suggested": round(doubt.probability_suggested, 4),
            "num_models": doubt.num_models,
            "num_for_suggested": len(doubt.models),
            "models_for_suggested": list(doubt.models),
            "models_for_recorded": list(doubt.models_for_gold),
        }
        for doubt in found.doubts
    ]
