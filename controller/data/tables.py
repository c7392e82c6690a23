"""Tables on disk: the training mix as Arrow for training, items and mix as Parquet for people."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from numpy.typing import NDArray
from pydantic import TypeAdapter

from diagnose.rows.pool import TrainPool
from evals.items import EvalReport, ItemResult
from interventions.mix.mix import ORIGINAL, Origin, TrainingMix, original_mix
from interventions.plan.allocate import Removed
from interventions.plan.step import REWEIGHT

PROVENANCE_FILE = "provenance.parquet"
ORIGINS_FILE = "origins.json"
_ORIGINS = TypeAdapter(tuple[Origin, ...])
FROM_CORPUS = (ORIGINAL.kind, REWEIGHT)
"""Kinds of rows that were drawn before."""


def save_pool(pool: TrainPool, folder: Path) -> None:
    pool.rows.save_to_disk(folder / "rows")
    (folder / "delimiter.json").write_text(json.dumps(pool.delimiter))


def load_pool(folder: Path) -> TrainPool:
    """Memory-mapped."""
    return TrainPool(Dataset.load_from_disk(str(folder / "rows")), json.loads((folder / "delimiter.json").read_text()))


def save_mix(mix: TrainingMix, folder: Path) -> None:
    save_pool(mix.examples, folder)
    parents = [mix.parents.get(place) for place in range(len(mix.weights))]
    provenance = pa.table({"weight": mix.weights, "origin": mix.origin, "parent": pa.array(parents, pa.string())})
    pq.write_table(provenance, folder / PROVENANCE_FILE)
    (folder / ORIGINS_FILE).write_bytes(_ORIGINS.dump_json(mix.origins))


def load_mix(folder: Path) -> TrainingMix:
    provenance = pq.read_table(folder / PROVENANCE_FILE)
    parents = provenance["parent"].to_pylist()
    return TrainingMix(
        examples=load_pool(folder),
        weights=np.asarray(provenance["weight"], dtype=np.float64),
        origins=_ORIGINS.validate_json((folder / ORIGINS_FILE).read_bytes()),
        origin=np.asarray(provenance["origin"], dtype=np.int64),
        parents={place: parent for place, parent in enumerate(parents) if parent is not None},
    )


def load_corpus(folder: Path) -> TrainingMix:
    """What a model was trained on: a mix, or rows as they stand."""
    return load_mix(folder) if (folder / PROVENANCE_FILE).is_file() else original_mix(load_pool(folder))


def num_of_corpus(mix: TrainingMix) -> int:
    """Rows that stood in the corpus, or were made from one that did."""
    is_old = np.array([origin.kind in FROM_CORPUS for origin in mix.origins])[mix.origin]
    return int(is_old.sum()) + len(mix.parents)


def write_patch(mix: TrainingMix, removed: Sequence[Removed], corpus: TrainPool, path: Path) -> None:
    """`mix-<round>.parquet`: every example with what becomes of it and why, and behind them those that leave.

    Args:
        mix: What is trained on.
        removed: Rows of the corpus that are not in it.
        corpus: What was trained on before, each row as often as any other.
        path: Of the file.
    """
    is_old = np.array([origin.kind in FROM_CORPUS for origin in mix.origins])[mix.origin]
    parts = [_patch(mix.examples, mix.origins, mix.origin, mix.weights, is_old / len(corpus), mix.parents)]
    for gone in removed:
        size = len(gone.rows)
        zero, before = np.zeros(size, np.int64), np.full(size, 1 / len(corpus))
        parts.append(_patch(corpus.select(gone.rows), (gone.origin,), zero, np.zeros(size), before, {}))
    pq.write_table(pa.concat_tables(parts), path)


def _patch(
    examples: TrainPool,
    origins: Sequence[Origin],
    origin: NDArray[np.int64],
    after: NDArray[np.float64],
    before: NDArray[np.float64],
    parents: Mapping[int, str],
) -> pa.Table:
    def told(values: Sequence[str]) -> pa.Array:
        return pa.array(np.array(values, object)[origin].tolist(), pa.string())

    rows = examples.rows
    return pa.table(
        {
            "id": pa.array(rows["id"][:], pa.string()),
            "source": pa.array(rows["source"][:], pa.string()),
            "kind": told([one.kind for one in origins]),
            "slice": told([one.slice for one in origins]),
            "weight_before": before,
            "weight": after,
            "parent": pa.array([parents.get(place) for place in range(len(origin))], pa.string()),
            "maker": told([one.maker for one in origins]),
            "verifier": told([one.verifier for one in origins]),
            "reason": told([one.reason for one in origins]),
            "prompt": pa.array(rows["prompt"][:], pa.string()),
            "completion": pa.array(rows["completion"][:], pa.string()),
        }
    )


def write_blocked(reasons: Mapping[str, str], path: Path) -> None:
    """`blocked-<round>.jsonl`: ids of the rows that the quality gate kept out, each with the reason."""
    path.write_text("".join(json.dumps({"id": row, "reason": reason}) + "\n" for row, reason in reasons.items()))


def export_mix(mix: TrainingMix, path: Path) -> None:
    """The mix as JSONL that any trainer takes."""
    kinds = mix.kinds
    reasons = mix.of_rows([origin.reason for origin in mix.origins])
    with path.open("w") as file:
        for example, weight, kind, reason in zip(mix.examples, mix.weights, kinds, reasons, strict=True):
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
