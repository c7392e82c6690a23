"""Save and load rows and mixes: Arrow, memory-mapped, with the provenance of each row beside them."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from pydantic import TypeAdapter

from diagnose.rows.pool import TrainPool
from interventions.mix.mix import Origin, TrainingMix, original_mix

PROVENANCE_FILE = "provenance.parquet"


ORIGINS_FILE = "origins.json"


_ORIGINS = TypeAdapter(tuple[Origin, ...])


def save_pool(pool: TrainPool, folder: Path) -> None:
    pool.rows.save_to_disk(folder / "rows")
    (folder / "delimiter.json").write_text(json.dumps(pool.delimiter))


def load_pool(folder: Path) -> TrainPool:
    """Load rows, memory-mapped."""
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
    """Load what a model was trained on: a mix, or rows as they stand."""
    return load_mix(folder) if (folder / PROVENANCE_FILE).is_file() else original_mix(load_pool(folder))
