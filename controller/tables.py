"""Tables on disk: the training mix as Arrow for training, items and mix as Parquet for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from pydantic import TypeAdapter

from diagnose.pool import TrainPool
from evals.items import EvalReport, ItemResult
from interventions.mix import TrainingMix, original_mix

PROVENANCE_FILE = "provenance.parquet"


def save_pool(pool: TrainPool, folder: Path) -> None:
    pool.rows.save_to_disk(folder / "rows")
    (folder / "delimiter.json").write_text(json.dumps(pool.delimiter))


def load_pool(folder: Path) -> TrainPool:
    """Memory-mapped."""
    return TrainPool(Dataset.load_from_disk(str(folder / "rows")), json.loads((folder / "delimiter.json").read_text()))


def save_mix(mix: TrainingMix, folder: Path) -> None:
    save_pool(mix.examples, folder)
    provenance = pa.table({"weight": mix.weights, "kind": mix.kinds, "reason": mix.reasons})
    pq.write_table(provenance, folder / PROVENANCE_FILE)


def load_mix(folder: Path) -> TrainingMix:
    provenance = pq.read_table(folder / PROVENANCE_FILE)
    return TrainingMix(
        examples=load_pool(folder),
        weights=np.asarray(provenance["weight"], dtype=np.float64),
        kinds=tuple(provenance["kind"].to_pylist()),
        reasons=tuple(provenance["reason"].to_pylist()),
    )


def load_corpus(folder: Path) -> TrainingMix:
    """What a model was trained on: a mix, or rows as they stand."""
    return load_mix(folder) if (folder / PROVENANCE_FILE).is_file() else original_mix(load_pool(folder))


def write_mix(mix: TrainingMix, path: Path) -> None:
    """`mix-<round>.parquet`: every example's id, weight, source, and why it is there."""
    rows = mix.examples.rows
    table = pa.table(
        {
            "id": rows["id"][:],
            "source": rows["source"][:],
            "kind": mix.kinds,
            "weight": mix.weights,
            "reason": mix.reasons,
            "prompt": rows["prompt"][:],
            "completion": rows["completion"][:],
        }
    )
    pq.write_table(table, path)


def write_blocked(reasons: Mapping[str, str], path: Path) -> None:
    """`blocked-<round>.jsonl`: ids of the rows that the quality gate kept out, each with the reason."""
    path.write_text("".join(json.dumps({"id": row, "reason": reason}) + "\n" for row, reason in reasons.items()))


def export_mix(mix: TrainingMix, path: Path) -> None:
    """The mix as JSONL that any trainer takes."""
    with path.open("w") as file:
        for example, weight, kind, reason in zip(mix.examples, mix.weights, mix.kinds, mix.reasons, strict=True):
            row = {
                "id": example.id,
                "source": example.source,
                "prompt": example.prompt,
                "completion": example.completion,
                "weight": float(weight),
                "kind": kind,
                "reason": reason,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_report_json(report: EvalReport, folder: Path) -> None:
    (folder / "report.json").write_bytes(TypeAdapter(type(report)).dump_json(report))


def read_report_json(folder: Path, kind: type[EvalReport] = EvalReport) -> EvalReport:
    return TypeAdapter(kind).validate_json((folder / "report.json").read_bytes())


class ItemTable:
    """`items-<split>.parquet`: every item, every arm, every seed and round of one split."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []

    def add(self, round_number: int, arm: str, seed: int | None, results: Sequence[ItemResult]) -> None:
        """`seed` is None for a model that was not trained in the round."""
        self._rows += [
            {
                "round": round_number,
                "arm": arm,
                "seed": seed,
                "task": result.item.task,
                "id": result.item.id,
                "document": json.dumps(dict(result.item.document), ensure_ascii=False, default=str),
                "prompt": result.item.prompt,
                "target": result.item.target,
                "answer": result.answer,
                "metric": result.metric,
                "score": result.score,
                "is_failed": result.is_failed,
            }
            for result in results
        ]

    def write(self, path: Path) -> None:
        """Nothing when there is no row: a split that was never opened has no file."""
        if self._rows:
            temporary = path.with_suffix(".tmp")
            pq.write_table(pa.Table.from_pylist(self._rows), temporary)
            temporary.replace(path)
