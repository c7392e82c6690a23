"""Rows and mixes on disk.

A corpus is an Arrow table, memory-mapped from there on. A mix is no copy of it: it says which rows of which stored
table it takes, and how often each is drawn; only rows that are stored nowhere else, as made ones, stand in its own
folder. Sources are named relative to the mix, so that a run can be moved.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from pydantic import TypeAdapter

from diagnose.rows.pool import Rendering, TrainPool
from interventions.mix.mix import MixPart, Origin, TrainingMix, joined, original_mix

PROVENANCE_FILE = "provenance.parquet"
ORIGINS_FILE = "origins.json"
SOURCES_FILE = "sources.json"
RENDERING_FILE = "rendering.json"
WEIGHTS_FILE = "source_weights.json"
_RENDERING = TypeAdapter(Rendering)
_WEIGHTS = TypeAdapter(dict[str, float])
_ORIGINS = TypeAdapter(tuple[Origin, ...])


def save_pool(pool: TrainPool, folder: Path) -> None:
    pool.rows.save_to_disk(folder / "rows")
    (folder / RENDERING_FILE).write_bytes(_RENDERING.dump_json(pool.rendering))
    (folder / WEIGHTS_FILE).write_bytes(_WEIGHTS.dump_json(dict(pool.source_weights)))


def load_pool(folder: Path) -> TrainPool:
    """The rows of a folder, be it a table or a mix; memory-mapped."""
    if (folder / PROVENANCE_FILE).is_file():
        return load_mix(folder).examples
    rows = Dataset.load_from_disk(str(folder / "rows"))
    rendering = _RENDERING.validate_json((folder / RENDERING_FILE).read_bytes())
    return TrainPool(rows, rendering, folder, _WEIGHTS.validate_json((folder / WEIGHTS_FILE).read_bytes()))


def save_mix(mix: TrainingMix, folder: Path) -> None:
    """Its sources, and of each row the place in its source, weight, origin and parent."""
    sources, places = [], []
    for number, part in enumerate(mix.parts):
        if part.source.folder is not None:
            sources.append(os.path.relpath(part.source.folder, folder))
            places.append(part.rows)
        else:
            name = f"made-{number}"
            save_pool(part.source.select(part.rows), folder / name)
            sources.append(name)
            places.append(np.arange(len(part.rows)))
    parents = [mix.parents.get(place) for place in range(len(mix.weights))]
    provenance = pa.table(
        {
            "source": np.repeat(np.arange(len(places)), [len(rows) for rows in places]),
            "row": np.concatenate(places),
            "weight": mix.weights,
            "origin": mix.origin,
            "parent": pa.array(parents, pa.string()),
        }
    )
    pq.write_table(
        provenance,
        folder / PROVENANCE_FILE,
        compression="zstd",
        use_dictionary=["weight", "origin", "parent"],  # few values each
        column_encoding={"source": "DELTA_BINARY_PACKED", "row": "DELTA_BINARY_PACKED"},  # mostly ascending
    )
    (folder / SOURCES_FILE).write_text(json.dumps(sources))
    (folder / ORIGINS_FILE).write_bytes(_ORIGINS.dump_json(mix.origins))


def load_mix(folder: Path) -> TrainingMix:
    provenance = pq.read_table(folder / PROVENANCE_FILE)
    source, rows = (np.asarray(provenance[name], dtype=np.int64) for name in ("source", "row"))
    parts = tuple(
        MixPart(load_pool((folder / name).resolve()), rows[source == number])
        for number, name in enumerate(json.loads((folder / SOURCES_FILE).read_text()))
    )
    parents = provenance["parent"].to_pylist()
    examples = joined(parts)
    return TrainingMix(
        parts=parts,
        examples=replace(examples, folder=folder),
        weights=np.asarray(provenance["weight"], dtype=np.float64),
        origins=_ORIGINS.validate_json((folder / ORIGINS_FILE).read_bytes()),
        origin=np.asarray(provenance["origin"], dtype=np.int64),
        parents={place: parent for place, parent in enumerate(parents) if parent is not None},
    )


def load_corpus(folder: Path) -> TrainingMix:
    """Load what a model was trained on: a mix, or rows as they stand."""
    return load_mix(folder) if (folder / PROVENANCE_FILE).is_file() else original_mix(load_pool(folder))
