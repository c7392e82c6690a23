"""Stages that read items: a model's answers to them, and their hashes."""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter

from controller.data.reports import read_report_json, write_report_json
from controller.engine.artifacts import Artifact
from controller.engine.budget import FORWARD, Spent
from controller.stages.model import Model
from evals.harness import LoadedSuite, evaluate, load_suite
from evals.items import ItemKey, ProbeReport
from evals.leaks.item_index import index_items
from evals.leaks.templates import make_templates
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite
from evals.validation import FREE

INDEX_FILE = "index.npz"


@dataclass(frozen=True, slots=True)
class PinnedSuite:
    """An evaluation suite with the hash of its items, which keys the stages that read them."""

    suite: EvalSuite
    items: str
    """Hash of every item, so that changed task files are read again."""
    template_of: ModelRef | None = field(default=None, metadata=FREE)
    """Model whose chat template items are asked in; the items' prompts hold the text."""

    def load(self) -> LoadedSuite:
        """Load the suite, once in a worker that measures many models: finding and reading tasks takes longer than small
        models do."""
        return _loaded(TypeAdapter(EvalSuite).dump_json(self.suite), self.items, self.template_of)


def measure(folder: Path, model: Model, pinned: PinnedSuite, split: Split) -> Spent:
    """Measure every item of one split; writes the results to `report.json`."""
    report = evaluate(model.ref, pinned.load(), split)
    write_report_json(report, folder)
    return Spent(tokens=report.num_tokens, flops=FORWARD * model.num_parameters * report.num_tokens)


def only_failed(folder: Path, report: Artifact, failed: tuple[ItemKey, ...]) -> Spent:
    """Write a report of the same answers in which these items alone count as failed."""
    measured, counted = read_report_json(report.folder, ProbeReport), frozenset(failed)
    results = tuple(replace(one, is_failed=one.item.key in counted) for one in measured.results)
    write_report_json(replace(measured, results=results), folder)
    return Spent()


def hash_items(folder: Path, pinned: PinnedSuite) -> str:
    """Hash the items of all splits: the one form in which diagnosis and fixes know of them."""
    index_items(pinned.load().items, make_templates(pinned.suite.templates)).save(folder / INDEX_FILE)
    return INDEX_FILE


@lru_cache(maxsize=1)
def _loaded(suite: bytes, items: str, template_of: ModelRef | None) -> LoadedSuite:
    del items
    return load_suite(TypeAdapter(EvalSuite).validate_json(suite), template_of)
