"""Files of corpora: rows as people have them, one source each."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import yaml

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


CLASSES = {"place": ("where", "city"), "person": ("who", "name"), "number": ("many", "count")}
"""Words of the questions of each class; either is enough to tell it."""


def write_questions(folder: Path, num_rows: int = 400, num_items: int = 400) -> list[str]:
    """A classification whose corpus has two sources of as many rows: the labels of `noisy` are drawn at random, those
    of `clean` are right, and `noisy` has two thirds of the draws. Writes rows and a task; returns the settings."""
    rng = np.random.default_rng(0)
    names = list(CLASSES)

    def question(number: int) -> dict[str, str]:
        label = names[int(rng.integers(len(names)))]
        cue = CLASSES[label][int(rng.integers(2))]
        fill = [f"w{k}" for k in rng.choice(30, 3, replace=False).tolist()]
        return {"prompt": f"{cue} {' '.join(fill)} q{number}", "completion": label}

    clean, noisy = ([question(k) for k in range(first, first + num_rows)] for first in (0, num_rows))
    noisy = [row | {"completion": names[int(rng.integers(len(names)))]} for row in noisy]
    items = [question(k) for k in range(2 * num_rows, 2 * num_rows + num_items)]
    paths = {name: write_lines(folder / f"{name}.jsonl", rows) for name, rows in (("clean", clean), ("noisy", noisy))}
    task = {
        "task": "questions",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": write_lines(folder / "tasks" / "questions.jsonl", items)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{completion}}",
        "doc_to_choice": names,
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
    (folder / "tasks" / "questions.yaml").write_text(yaml.safe_dump(task))
    return [
        f"corpus.train={{clean: {paths['clean']}, noisy: {paths['noisy']}}}",
        "corpus.weights={clean: 1, noisy: 2}",
        "evals.tasks=[questions]",
        f"evals.include_path={folder / 'tasks'}",
        "model.tokenizer=word",
        "model.arch={hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2}",
        "train.max_steps=200",
        "train.learning_rate=5e-3",
        "train.max_length=16",
        f"run_dir={folder / 'run'}",
    ]
