"""Files of corpora: rows as people have them, one source each."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from controller.data.corpus import Corpus
from controller.data.sources import read_pool, reading
from diagnose.rows.pool import TrainPool

PAIRS = ({"prompt": "say a", "completion": "a", "kind": 1}, {"prompt": "say b", "completion": "b", "kind": 2})
"""Prompts with completions; `kind` is a number."""
QUESTIONS = ({"question": "one and one", "answer": "two", "kind": "sum"},)
"""The same under other names; `kind` is text."""
TEXTS = ({"text": "all of it"}, {"text": "and more"})
"""Plain text."""
TALKS = ({"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Yes?"}]},)
"""Conversations."""


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> str:
    """Write rows as JSON lines, with the folders above them; returns the path as a setting has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def read_train(corpus: Corpus) -> TrainPool:
    """The rows of `corpus.train`."""
    return read_pool(reading(corpus, "train"))
