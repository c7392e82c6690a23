"""Store what models answered: reports as JSON for stages, tables of items as Parquet for people."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from evals.items import EvalReport, ItemResult


def write_report_json(report: EvalReport, folder: Path) -> None:
    (folder / "report.json").write_bytes(TypeAdapter(type(report)).dump_json(report))


def read_report_json(folder: Path, kind: type[EvalReport] = EvalReport) -> EvalReport:
    return TypeAdapter(kind).validate_json((folder / "report.json").read_bytes())


class ItemTable:
    """Rows of `items-<split>.parquet`: every item, arm, seed and round of one split."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []

    def add(self, round_number: int, arm: str, seed: int | None, results: Sequence[ItemResult]) -> None:
        """Add results; `seed` is None for a model that was not trained in the round."""
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
                "is_unparsed": result.is_unparsed,
            }
            for result in results
        ]

    def write(self, path: Path) -> None:
        """Write the file, unless there is no row: a split that was never opened has no file."""
        if self._rows:
            temporary = path.with_suffix(".tmp")
            pq.write_table(pa.Table.from_pylist(self._rows), temporary)
            temporary.replace(path)
