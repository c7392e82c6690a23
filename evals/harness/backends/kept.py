"""Keep what models wrote, so that another measurement of the same model on the same prompts generates nothing.

`evals.cache` names a folder; in it is one SQLite file for all models. An answer is found by a hash of everything that
determines it: the model's files, the prompt, the generation settings, the length that the model reads, its type of
numbers and device, and the versions of the libraries. Another size of batch, which can move the last bits of a logit,
is not part of it. Sampled answers are not kept, as every one must be drawn.

lm-eval's own cache (`CachingLM`, `--use_cache`) is not used: it finds answers by prompt and settings alone, so that a
file must be chosen by hand for each model and another model of the same name gets the old answers, and it unpickles
what lies in the file.

Answers are written while a measurement goes on, `_ROWS` in one transaction: SQLite's journal makes it safe to kill the
process at any moment, which loses less than that many, and to write from two at once.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import transformers
from lm_eval import __version__ as lm_eval_version
from lm_eval.models.utils import normalize_gen_kwargs

from evals.items import OutputType
from evals.model_ref import ModelRef
from evals.suite import EvalSuite

FILE = "generations.sqlite"
_ROWS = 32
_SECONDS = 120.0
"""Longest wait for another process that writes."""


@dataclass
class KeptAnswers:
    """Generated answers of one model under one setting."""

    folder: Path
    of: Mapping[str, Any]
    """What determines an answer beside prompt and generation settings, JSON values only."""
    max_gen_toks: int
    """Longest answer where the generation settings name none."""
    _fresh: list[tuple[str, str]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.folder / FILE, timeout=_SECONDS)
            with self._connection:
                self._connection.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT)")
        except (OSError, sqlite3.Error) as error:
            raise ValueError(
                f"evals.cache must name a folder that answers can be kept in, got '{self.folder}' ({error}); name "
                "another one, or leave it unset"
            ) from error

    def find(self, prompt: str, settings: Mapping[str, Any]) -> str | None:
        """Find the answer to a prompt under generation settings; None where none is kept."""
        key = self._key(prompt, settings)
        if key is None:
            return None
        found = self._connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def add_partial(self, kind: str, request: tuple[str, Mapping[str, Any]], answer: Any) -> None:
        """Keep the answer to a request; by this name lm-eval's models call it as soon as they have one."""
        if kind == OutputType.GENERATE_UNTIL and (key := self._key(*request)) is not None:
            self._fresh.append((key, answer))
            if len(self._fresh) >= _ROWS:
                self.write()

    def write(self) -> None:
        """Write the answers that are not on disk yet."""
        with self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", self._fresh)
        self._fresh.clear()

    def _key(self, prompt: str, settings: Mapping[str, Any]) -> str | None:
        """Hash of all that determines an answer; None for one that is drawn at random."""
        normal = normalize_gen_kwargs(dict(settings), self.max_gen_toks)
        if normal["do_sample"]:
            return None
        text = json.dumps([self.of, prompt, normal], sort_keys=True, default=str)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def keep_answers(lm: Any, model: ModelRef, suite: EvalSuite, generates: Mapping[str, Any]) -> None:
    """Have one of lm-eval's models keep its answers where `evals.cache` says so.

    Args:
        lm: The model as lm-eval asks it.
        generates: What else determines an answer: what generates, its arguments, its type of numbers, the device.

    Raises:
        ValueError: `evals.cache` is no folder, or what it finds answers by is not known.
    """
    if suite.cache is None:
        return
    of = {
        "model": [_content(path, model.revision) for path in (model.path, model.adapter) if path is not None],
        "max_length": lm.max_length,
        "versions": [transformers.__version__, lm_eval_version],
        **generates,
    }
    lm.kept = KeptAnswers(Path(suite.cache).expanduser(), of, lm.max_gen_toks)
    lm.set_cache_hook(lm.kept)


def _content(path: str, revision: str | None) -> Any:
    """Hashes of the files of a model, or the commit of a model of the hub; a ValueError where it has neither."""
    folder = Path(path)
    if folder.is_dir():
        files = sorted(file for file in folder.iterdir() if file.is_file())
        return [[file.name, _digest(file, (stat := file.stat()).st_size, stat.st_mtime_ns)] for file in files]
    commit = transformers.AutoConfig.from_pretrained(path, revision=revision)._commit_hash
    if commit is None:
        raise ValueError(
            f"evals.cache finds answers by the content of a model, which {path!r} does not tell; name its folder, or "
            "leave evals.cache unset"
        )
    return [path, commit]


@lru_cache(maxsize=1024)
def _digest(file: Path, size: int, modified: int) -> str:
    """Hash of a file, once a process; another size or time makes it another file."""
    del size, modified
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
