"""Read `corpus.train` and `corpus.pool` into a `TrainPool`.

JSONL, JSONL.gz and Parquet files, folders of them, and hub data sets, all through `datasets`: rows become
an Arrow table on disk and stay there. Costs one pass over the data.
"""

import gzip
import json
import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import datasets
from datasets import Dataset

from controller.engine.hashes import fingerprint
from diagnose.rows.messages import parse_messages, question_and_answer, to_json
from diagnose.rows.pool import COLUMNS, ContentIds, Rendering, TrainPool
from evals.validation import FREE

log = logging.getLogger(__name__)

TRAIN_KEY, POOL_KEY = "corpus.train", "corpus.pool"
_TEXTS = ("text", "prompt", "completion")

FORMATS = {".jsonl": "json", ".json": "json", ".jsonl.gz": "json", ".json.gz": "json", ".parquet": "parquet"}


@dataclass
class Corpus:
    """`corpus.*`: files or a hub data set of the user's own."""

    train: str | None = None
    """Training data: JSONL, JSONL.gz, Parquet, a folder of them, or `hub:name[:config]:split`."""
    pool: str | None = None
    """Further data that a fix may draw on, in the same forms."""
    prompt: str = "prompt"
    completion: str = "completion"
    messages: str | None = None
    """Field of conversations: lists of turns, `{role, content}`; when set, prompt and completion are not read and the
    loss is on the assistant's turns."""
    apply_chat_template: bool | str = False
    """Whether rows of prompt and completion are rendered by the chat template too, as a user's turn and an answer; a
    name chooses among several templates."""
    system_instruction: str | None = None
    """System turn of such rows; unset means `evals.system_instruction`."""
    text: str | None = None
    """Field of plain text; when set, prompt and completion are not read and the loss is taken on all of it."""
    prompt_template: str = "{prompt}"
    delimiter: str = " "
    """Text between prompt and completion, as lm-eval's `target_delimiter`."""
    id: str | None = None
    """Field of a stable id; unset means a hash of the content."""
    slices: list[str] = field(default_factory=list)
    """Metadata fields by which data is reported."""
    root: str | None = None
    """Folder of a named data set's files; unset means the hub."""

    def __post_init__(self) -> None:
        if "{prompt}" not in self.prompt_template:
            raise ValueError(
                f"corpus.prompt_template must contain {{prompt}}, got '{self.prompt_template}'; "
                "write for example 'Question: {prompt}\\nAnswer:'"
            )
        if self.text is not None and (self.messages is not None or self.apply_chat_template):
            raise ValueError(
                f"corpus.text={self.text} has no turns that a chat template could render; unset it, or unset "
                f"corpus.{'apply_chat_template' if self.messages is None else 'messages'}"
            )
        for key in ("prompt_template", "delimiter"):
            if "\\n" in (text := getattr(self, key)):
                raise ValueError(
                    f"corpus.{key} holds a backslash and an n where a line break is meant, got '{text}'; "
                    f"""write $'corpus.{key}="...\\n..."' in the shell, or "...\\n..." in a YAML file"""
                )

    @property
    def fields(self) -> dict[str, str]:
        """Fields of a row that are read, by the name of their key."""
        if self.text is not None:
            texts = {"text": self.text}
        elif self.messages is not None:
            texts = {"messages": self.messages}
        else:
            texts = {"prompt": self.prompt, "completion": self.completion}
        return texts | ({"id": self.id} if self.id is not None else {})

    @property
    def is_chat(self) -> bool:
        """Whether rows are rendered by a chat template."""
        return self.messages is not None or bool(self.apply_chat_template)

    @property
    def rendering(self) -> Rendering:
        """How the parts of a row become one text."""
        if not self.is_chat:
            return Rendering(self.delimiter if self.text is None else "")
        template = self.apply_chat_template if isinstance(self.apply_chat_template, str) else None
        return Rendering("", True, template, self.system_instruction)

    @property
    def is_given(self) -> bool:
        """Whether there is a corpus at all; only recorded answers can do without."""
        return self.train is not None

    def materialise(self, folder: Path) -> "Corpus":
        """Return the same data as files; a named data set writes them to `folder`."""
        del folder
        if self.train is None:
            raise ValueError(
                "corpus.train is missing: name a JSONL, JSONL.gz or Parquet file, a folder of them, or "
                "hub:name[:config]:split"
            )
        return self

    def task_folder(self, folder: Path) -> Path | None:
        """Folder of lm-eval task files that a named data set wrote to `folder`; None for the user's own data."""
        del folder
        return None


@dataclass(frozen=True, slots=True)
class Source:
    """Source of a corpus's or a pool's rows."""

    name: str = field(metadata=FREE)
    """A path or `hub:...`, as the user gave it."""
    content: Any
    """Hashes of the files; for a hub data set its name, although its content may change under that."""


def find_source(key: str, name: str) -> Source:
    """Find the source with the hash of its content.

    Raises:
        ValueError: reading would raise it later, and it can be known at once.
    """
    check_source(key, name)
    return Source(name, name if name.startswith("hub:") else fingerprint(Path(name).expanduser()))


def check_source(key: str, source: str) -> None:
    """Raise the ValueError that reading would raise later, where it can be known at once."""
    if source.startswith("hub:"):
        _hub_parts(key, source)
    else:
        _data_files(key, source)


def read_pool(corpus: Corpus, key: str, source: str) -> TrainPool:
    """Read the rows of one source.

    Args:
        corpus: Settings by which the rows are read.
        key: `corpus.train` or `corpus.pool`, for messages.

    Raises:
        ValueError: no such file, a line that is not JSON, a row without a field, no row at all, no row with a field of
            `corpus.slices`.
    """
    if source.startswith("hub:"):
        rows = _read_hub(key, source)
        named = [(rows, source)]
    else:
        named = [(_read_file(key, path), path.name) for path in _data_files(key, source)]
    try:
        parts = [_standard_rows(corpus, key, part, name) for part, name in named if len(part)]
    except UnicodeDecodeError as error:  # which is not noticed before a text is read
        raise ValueError(
            f"{key} {source} is not UTF-8: {bytes(error.object[:40])!r}; convert it, for example with iconv"
        ) from error
    if not parts:
        raise ValueError(f"{key} {source} is empty: there is not one row to train on")
    whole = parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)
    if key == TRAIN_KEY:
        _check_slices(corpus, source, whole.column_names)
    if corpus.id is None:
        ids = ContentIds()
        whole = whole.map(
            lambda batch: {"id": ids.take(batch["prompt"], batch["completion"])},
            batched=True,
            load_from_cache_file=False,
        )
    log.info("read %s: %d rows from %s", key, len(whole), source)
    return TrainPool(whole, corpus.rendering)


def _check_slices(corpus: Corpus, source: str, columns: Sequence[str]) -> None:
    for name in corpus.slices:
        if name not in columns:
            known = [column for column in columns if column not in COLUMNS]
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"they have {', '.join(known) or 'no further field'}"
            raise ValueError(f"corpus.slices names the field '{name}', which no row of {source} has; {hint}")


def _data_files(key: str, source: str) -> list[Path]:
    path = Path(source).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if _format(file) is not None)
        if not files:
            raise ValueError(f"{key} {path} is a folder without any {', '.join(FORMATS)} file")
        return files
    if not path.exists():
        raise ValueError(f"{key} {path} does not exist (looked from {Path.cwd()})")
    if _format(path) is None:
        raise ValueError(f"{key} {path} has an unknown ending; known are {', '.join(FORMATS)}")
    return [path]


def _format(path: Path) -> str | None:
    return next((kind for ending, kind in FORMATS.items() if path.name.endswith(ending)), None)


def _hub_parts(key: str, source: str) -> tuple[str, str | None, str]:
    match source.removeprefix("hub:").split(":"):
        case [name, split] if name and split:
            return name, None, split
        case [name, config, split] if name and split:
            return name, config, split
    raise ValueError(f"{key} must read hub:name:split or hub:name:config:split, got '{source}'")


def _read_hub(key: str, source: str) -> Dataset:
    name, config, split = _hub_parts(key, source)
    try:
        return datasets.load_dataset(name, config, split=split)
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"{key} {source} could not be loaded from the hub: {_first_line(error)}") from error


def _read_file(key: str, path: Path) -> Dataset:
    if path.stat().st_size == 0:
        return Dataset.from_dict({})
    kind = _format(path)
    assert kind is not None
    try:
        return datasets.load_dataset(kind, data_files=str(path), split="train")
    except (datasets.exceptions.DatasetGenerationError, OSError, ValueError) as error:
        if kind == "json" and not _has_lines(key, path):
            return Dataset.from_dict({})
        raise ValueError(f"{key} {path} could not be read: {_first_line(error.__cause__ or error)}") from error


def _has_lines(key: str, path: Path) -> bool:
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
                        f"{key} {path}, line {number} is not a JSON object but {type(row).__name__}; each line is one "
                        "row, {...}"
                    )
    except json.JSONDecodeError as error:
        raise ValueError(f"{key} {path}, line {number} is not JSON: {error.msg} at column {error.colno}") from None
    except UnicodeDecodeError:
        raise ValueError(
            f"{key} {path} is not UTF-8 from line {number + 1} on; convert it, for example with iconv"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{key} {path} is no whole gzip file ({error}); rename or compress it again") from None
    return has_lines


def _standard_rows(corpus: Corpus, key: str, rows: Dataset, name: str) -> Dataset:
    fields = corpus.fields
    wanted = list(fields.values())
    for setting, column in fields.items():
        if column not in rows.column_names:
            hint = "; set corpus.messages=messages to read conversations" if "messages" in rows.column_names else ""
            raise ValueError(
                f"{key} {name}, row 1 has no field '{column}' (corpus.{setting}); it has "
                f"{', '.join(rows.column_names)}{hint}"
            )
    setting_of = {column: setting for setting, column in fields.items()}
    kept = [c for c in rows.column_names if c not in wanted and c not in COLUMNS]
    seen = 0

    def standard(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        nonlocal seen
        for column in wanted:
            for offset, value in enumerate(batch[column]):
                if value is None:
                    present = [c for c in batch if batch[c][offset] is not None]
                    raise ValueError(
                        f"{key} {name}, row {seen + offset + 1} has no field '{column}'; it has {', '.join(present)}"
                    )
                if setting_of[column] in _TEXTS and isinstance(value, list | dict):
                    raise ValueError(
                        f"{key} {name}, row {seen + offset + 1}: field '{column}' (corpus.{setting_of[column]}) is a "
                        f"{type(value).__name__} and not text; for conversations set corpus.messages={column}"
                    )
        size = len(batch[wanted[0]])
        texts = _texts(corpus, batch, f"{key} {name}", seen)
        seen += size
        ids = [str(value) for value in batch[corpus.id]] if corpus.id is not None else [""] * size
        return {"id": ids, "source": [name] * size} | texts | {column: batch[column] for column in kept}

    return rows.map(standard, batched=True, remove_columns=rows.column_names, load_from_cache_file=False)


def _texts(corpus: Corpus, batch: dict[str, list[Any]], where: str, first: int) -> dict[str, list[str]]:
    """Prompts and completions of a batch whose first row is number `first`; of conversations with all their turns."""
    if corpus.text is not None:
        texts = [str(text) for text in batch[corpus.text]]
        return {"prompt": [""] * len(texts), "completion": texts}
    if corpus.messages is None:
        return {
            "prompt": [corpus.prompt_template.replace("{prompt}", str(text)) for text in batch[corpus.prompt]],
            "completion": [str(text) for text in batch[corpus.completion]],
        }
    found: dict[str, list[str]] = {"prompt": [], "completion": [], "messages": []}
    for offset, value in enumerate(batch[corpus.messages]):
        try:
            messages = parse_messages(value)
        except ValueError as error:
            raise ValueError(f"{where}, row {first + offset + 1}: '{corpus.messages}' {error}") from None
        for column, text in zip(found, (*question_and_answer(messages), to_json(messages)), strict=True):
            found[column].append(text)
    return found


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
