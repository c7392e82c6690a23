"""Write what a plan changes for people: the mix with removed rows as Parquet, blocked rows and the mix as JSONL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from diagnose.rows.pool import TrainPool
from interventions.mix.mix import Origin, TrainingMix
from interventions.plan.allocate import Removed


def num_of_corpus(mix: TrainingMix) -> int:
    """Count the rows that stood in the corpus, or were made from another row."""
    return len(mix.parts[0].rows) + len(mix.parents)  # rows of the corpus are the first part of a mix


def write_patch(mix: TrainingMix, removed: Sequence[Removed], corpus: TrainPool, path: Path) -> None:
    """Write `mix-<round>.parquet`: every example with its change and the reason, and after them the rows that leave.

    Args:
        mix: Mix that is trained on.
        removed: Rows of the corpus that are not in the mix.
        corpus: Rows trained on before, as often as the weights of their sources say.
        path: File to write.
    """
    share, own = corpus.draws(), mix.parts[0].rows
    before = np.concatenate([share[own], np.zeros(len(mix.weights) - len(own))])
    parts = [_patch(mix.examples, mix.origins, mix.origin, mix.weights, before, mix.parents)]
    for gone in removed:
        size = len(gone.rows)
        zero = np.zeros(size, np.int64)
        parts.append(_patch(corpus.select(gone.rows), (gone.origin,), zero, np.zeros(size), share[gone.rows], {}))
    pq.write_table(pa.concat_tables(parts), path)


@dataclass(frozen=True, slots=True)
class SourceChange:
    """What a patch does to the rows of one source."""

    source: str
    num_rows: int
    """Number of its rows in the mix."""
    num_added: int
    num_removed: int
    share_before: float
    """Share of the draws, in [0, 1]."""
    share: float
    """Share of the draws in the mix."""


def changes_by_source(patch: Path) -> tuple[SourceChange, ...]:
    """Count what a patch that `write_patch` wrote does to each source, that of most draws in the mix first."""
    table = pq.read_table(patch, columns=["source", "weight_before", "weight"])
    places = table["source"].combine_chunks().dictionary_encode()
    source = np.asarray(places.indices)
    before, after = (np.asarray(table[name]) for name in ("weight_before", "weight"))
    found = []
    for number, name in enumerate(places.dictionary.to_pylist()):
        was, now = before[source == number], after[source == number]
        found.append(
            SourceChange(
                source=name,
                num_rows=int(np.count_nonzero(now)),
                num_added=int(np.count_nonzero((now > 0) & (was == 0))),
                num_removed=int(np.count_nonzero((now == 0) & (was > 0))),
                share_before=float(was.sum()),
                share=float(now.sum()),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.share))


def _patch(
    examples: TrainPool,
    origins: Sequence[Origin],
    origin: NDArray[np.int64],
    after: NDArray[np.float64],
    before: NDArray[np.float64],
    parents: Mapping[int, str],
) -> pa.Table:
    def of_rows(values: Sequence[str]) -> pa.Array:
        return pa.array(np.array(values, object)[origin].tolist(), pa.string())

    rows = examples.rows
    return pa.table(
        {
            "id": pa.array(rows["id"][:], pa.string()),
            "source": pa.array(rows["source"][:], pa.string()),
            "kind": of_rows([one.kind for one in origins]),
            "slice": of_rows([one.slice for one in origins]),
            "weight_before": before,
            "weight": after,
            "parent": pa.array([parents.get(place) for place in range(len(origin))], pa.string()),
            "maker": of_rows([one.maker for one in origins]),
            "verifier": of_rows([one.verifier for one in origins]),
            "reason": of_rows([one.reason for one in origins]),
            "prompt": pa.array(rows["prompt"][:], pa.string()),
            "completion": pa.array(rows["completion"][:], pa.string()),
        }
    )


def write_blocked(reasons: Mapping[str, str], path: Path) -> None:
    """Write `blocked-<round>.jsonl`: ids of the rows that the quality gate kept out, each with the reason."""
    path.write_text("".join(json.dumps({"id": row, "reason": reason}) + "\n" for row, reason in reasons.items()))


def export_mix(mix: TrainingMix, path: Path) -> None:
    """Write the mix as JSONL that any trainer takes."""
    with path.open("w") as file:
        for example, weight, place in zip(mix.examples, mix.weights, mix.origin.tolist(), strict=True):
            row = {
                "id": example.id,
                "source": example.source,
                "prompt": example.prompt,
                "completion": example.completion,
                "weight": float(weight),
                "kind": mix.origins[place].kind,
                "reason": mix.origins[place].reason,
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
