"""Read the sources of `corpus.train` or `corpus.pool` into a `TrainPool`.

JSONL, JSONL.gz and Parquet files, folders of them, and hub data sets, all through `datasets`: rows become
an Arrow table on disk and stay there. Costs one pass over the data.
"""

import gzip
import json
import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset

from controller.data.corpus import Corpus, NamedSource
from controller.data.row_form import RowForm
from controller.data.streams import sample_file, sample_hub
from controller.engine.hashes import fingerprint
from diagnose.rows.pool import COLUMNS, ContentIds, Rendering, TrainPool, concatenated
from evals.validation import FREE, first_line

log = logging.getLogger(__name__)

HUB = "hub:"
FORMATS = {".jsonl": "json", ".json": "json", ".jsonl.gz": "json", ".json.gz": "json", ".parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class Source:
    """Source of rows, with a hash of its content."""

    name: str
    """Name that its rows carry; empty where they carry the name of their file."""
    path: str = field(metadata=FREE)
    """A path or `hub:...`, as the user gave it."""
    form: RowForm
    content: Any
    """Hashes of the files; for a hub data set its name, although its content may change under that."""

    @property
    def shown(self) -> str:
        return f"{self.name}: {self.path}" if self.name else self.path


@dataclass(frozen=True, slots=True)
class Reading:
    """All that determines the rows of a corpus or a pool."""

    key: str
    """`corpus.train` or `corpus.pool`, for messages."""
    sources: tuple[Source, ...]
    rendering: Rendering
    weights: Mapping[str, float] = field(default_factory=dict)
    """Relative shares of the draws of the sources, by name; without any, every row counts once."""
    slices: tuple[str, ...] = ()
    """Fields that some row must have."""

    @property
    def shown(self) -> str:
        """The sources, for people."""
        return ", ".join(source.shown for source in self.sources)


def reading(corpus: Corpus, side: str) -> Reading:
    """Find the sources of `train` or `pool`, with the hashes of their contents.

    Raises:
        ValueError: reading would raise it later, and it can be known at once.
    """
    key = f"corpus.{side}"
    found = tuple(_found(key, source) for source in corpus.sources(side))
    if side == "train":
        return Reading(key, found, corpus.rendering, dict(corpus.weights), tuple(corpus.slices))
    return Reading(key, found, corpus.rendering)


def check_sources(corpus: Corpus, side: str) -> None:
    """Raise the ValueError that reading would raise later, where it can be known at once."""
    for source in corpus.sources(side):
        where = _where(f"corpus.{side}", source.name)
        if source.path.startswith(HUB):
            _hub_parts(where, source.path)
        else:
            _data_files(where, source.path)


def read_pool(reading: Reading) -> TrainPool:
    """Read the rows of all sources, one after the other.

    Raises:
        ValueError: no such file, a line that is not JSON, a row without a field, a source without any row, no row
            with a field of `corpus.slices`.
    """
    whole = concatenated([part for source in reading.sources for part in _parts(reading, source)])
    _check_slices(reading, whole.column_names)
    if any(source.form.id is None for source in reading.sources):
        ids = ContentIds()
        whole = whole.map(
            lambda batch: {
                "id": [
                    own or made
                    for own, made in zip(batch["id"], ids.take(batch["prompt"], batch["completion"]), strict=True)
                ]
            },
            batched=True,
            load_from_cache_file=False,
        )
    log.info("read %s: %d rows from %s", reading.key, len(whole), reading.shown)
    return TrainPool(whole, reading.rendering, source_weights=_row_weights(reading.weights, whole))


def _check_slices(reading: Reading, columns: Sequence[str]) -> None:
    for name in reading.slices:
        if name not in columns:
            known = [column for column in columns if column not in COLUMNS]
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"they have {', '.join(known) or 'no further field'}"
            raise ValueError(f"corpus.slices names the field '{name}', which no row of {reading.shown} has; {hint}")


def _row_weights(shares: Mapping[str, float], rows: Dataset) -> dict[str, float]:
    """Weight of a row of each source, so that sources have these shares of the draws and the mean over rows is 1."""
    if not shares:
        return {}
    names = rows["source"][:]
    unit = len(names) / sum(shares.values())
    return {name: unit * share / names.count(name) for name, share in shares.items()}


def _parts(reading: Reading, source: Source) -> Iterator[Dataset]:
    """Yield the rows of each file of a source, in the columns of a pool."""
    where = _where(reading.key, source.name)
    is_empty, is_chat = True, reading.rendering.is_chat
    for rows, file in _tables(where, source.path, source.form.max_rows):
        if len(rows):
            is_empty = False
            try:
                yield _standard_rows(source, rows, f"{where} {file}", source.name or file, is_chat=is_chat)
            except UnicodeDecodeError as error:  # which is not noticed before a text is read
                raise ValueError(
                    f"{where} {file} is not UTF-8: {bytes(error.object[:40])!r}; convert it, for example with iconv"
                ) from error
    if is_empty:
        raise ValueError(f"{where} {source.path} is empty: there is not one row to train on")


def _tables(where: str, path: str, most: int | None) -> Iterator[tuple[Dataset, str]]:
    """Yield the rows of each file, or at most `most` of them, with its name."""
    if path.startswith(HUB):
        yield _read_hub(where, path, most), path
        return
    for file in _data_files(where, path):
        yield _read_file(where, file, most), _relative(file, path)


def _found(key: str, source: NamedSource) -> Source:
    if source.path.startswith(HUB):
        _hub_parts(_where(key, source.name), source.path)
        content: Any = source.path
    else:
        files = _data_files(_where(key, source.name), source.path)
        content = [[_relative(file, source.path), fingerprint(file)] for file in files]
    return Source(source.name, source.path, source.form, content)


def _where(key: str, name: str) -> str:
    return f"{key}.{name}" if name else key


def _relative(file: Path, path: str) -> str:
    """Name of a file below the folder that was given; its own name where a file was."""
    folder = Path(path).expanduser()
    return file.relative_to(folder).as_posix() if folder.is_dir() else file.name


def _data_files(where: str, source: str) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        below = (file for file in path.rglob("*") if not any(p.startswith(".") for p in file.relative_to(path).parts))
        files = sorted(file for file in below if file.is_file() and _format(file) is not None)
        if not files:
            raise ValueError(f"{where} {path} is a folder without any {', '.join(FORMATS)} file")
        return files
    if not path.exists():
        raise ValueError(f"{where} {path} does not exist (looked from {Path.cwd()})")
    if _format(path) is None:
        raise ValueError(f"{where} {path} has an unknown ending; known are {', '.join(FORMATS)}")
    return [path]


def _format(path: Path) -> str | None:
    return next((kind for ending, kind in FORMATS.items() if path.name.endswith(ending)), None)


def _hub_parts(where: str, source: str) -> tuple[str, str | None, str]:
    match source.removeprefix(HUB).split(":"):
        case [name, split] if name and split:
            return name, None, split
        case [name, config, split] if name and split:
            return name, config, split
    raise ValueError(f"{where} must read hub:name:split or hub:name:config:split, got '{source}'")


def _read_hub(where: str, source: str, most: int | None) -> Dataset:
    name, config, split = _hub_parts(where, source)
    try:
        if most is not None:
            return sample_hub(name, config, split, most, seed=where)
        return datasets.load_dataset(name, config, split=split)
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"{where} {source} could not be loaded from the hub: {first_line(error)}") from error


def _read_file(where: str, path: Path, most: int | None) -> Dataset:
    if path.stat().st_size == 0:
        return Dataset.from_dict({})
    kind = _format(path)
    assert kind is not None
    try:
        if most is not None:
            return sample_file(kind, str(path), most, seed=f"{where} {path.name}")
        return datasets.load_dataset(kind, data_files=str(path), split="train")
    except (datasets.exceptions.DatasetGenerationError, OSError, ValueError) as error:
        if kind == "json" and not _has_lines(where, path):
            return Dataset.from_dict({})
        raise ValueError(f"{where} {path} could not be read: {first_line(error.__cause__ or error)}") from error


def _has_lines(where: str, path: Path) -> bool:
    """Whether any line of a file that could not be read holds something.

    Raises:
        ValueError: a line is none of JSON; the message names the first one.
    """
    number, has_lines = 0, False
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8")
            if path.name.endswith(".gz")
            else path.open(encoding="utf-8") as file
        ):
            for number, line in enumerate(file, 1):
                has_lines = has_lines or bool(line.strip())
                row = json.loads(line) if line.strip() else {}
                if not isinstance(row, dict):
                    raise ValueError(
                        f"{where} {path}, line {number} is not a JSON object but {type(row).__name__}; each line is "
                        "one row, {...}"
                    )
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} {path}, line {number} is not JSON: {error.msg} at column {error.colno}") from None
    except UnicodeDecodeError:
        raise ValueError(
            f"{where} {path} is not UTF-8 from line {number + 1} on; convert it, for example with iconv"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{where} {path} is no whole gzip file ({error}); rename or compress it again") from None
    return has_lines


def _standard_rows(source: Source, rows: Dataset, where: str, name: str, *, is_chat: bool) -> Dataset:
    """Bring rows into the columns of a pool; fields that are not read become metadata.

    Args:
        where: Key and file, for messages.
        name: Name of the source that the rows carry.
    """
    form = source.form
    form.check_columns(rows.column_names, where)
    wanted = [column for column in form.fields.values() if column in rows.column_names]
    kept = [column for column in rows.column_names if column not in wanted and column not in COLUMNS]
    seen = 0

    def standard(batch: dict[str, list[Any]]) -> dict[str, Sequence[Any]]:
        nonlocal seen
        size = len(batch[wanted[0]])
        texts = form.texts(batch, where, seen, is_chat=is_chat)
        seen += size
        ids = [""] * size
        if form.id is not None:  # two sources may count their rows alike
            ids = [f"{source.name}/{value}" if source.name else str(value) for value in batch[form.id]]
        return {"id": ids, "source": [name] * size} | texts | {column: batch[column] for column in kept}

    return rows.map(standard, batched=True, remove_columns=rows.column_names, load_from_cache_file=False)
