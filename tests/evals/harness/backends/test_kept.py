"""Answers that are kept are those of the same model, prompt and settings, whoever wrote them and however it ended."""

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM

from evals.harness import evaluate, load_suite
from evals.harness.backends.kept import FILE, KeptAnswers
from evals.items import EvalReport
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.suite import EvalSuite

WORDS = ["cat", "dog", "cow", "hen", "pig", "fox", "owl", "bee"]
DOCUMENTS = [{"question": f"{a} {b} {c}", "answer": b} for a in WORDS for b in WORDS for c in WORDS if a < b < c]
TAKE = {"function": "take_first"}
SETTINGS = {
    "output_type": "generate_until",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
    "filter_list": [
        {"name": "first", "filter": [{"function": "regex", "regex_pattern": "^(\\w+)"}, TAKE]},
        {"name": "all", "filter": [TAKE]},
    ],
    "metric_list": [{"metric": "exact_match"}],
}


@pytest.fixture
def measure(task_dir: Callable[..., Path], tmp_path: Path) -> Callable[..., EvalReport]:
    folder = str(task_dir("write", DOCUMENTS, SETTINGS))

    def measured(model: Path, *, cache: bool = True, **settings: Any) -> EvalReport:
        suite = EvalSuite(["write"], folder, cache=str(tmp_path / "cache") if cache else None, **settings)
        return evaluate(ModelRef(str(model)), load_suite(suite), Split.PROBE)

    return measured


def test_a_model_that_was_measured_generates_nothing_again(
    measure: Callable[..., EvalReport], tiny_model_dir: Callable[..., Path]
) -> None:
    """By another filter and on more items too: then only the new ones are asked."""
    model = tiny_model_dir(WORDS)
    plain = measure(model, cache=False)
    some = measure(model, limit=40)
    whole = measure(model)
    assert 0 < some.num_tokens < plain.num_tokens
    assert some.num_tokens + whole.num_tokens == plain.num_tokens
    assert whole.results == plain.results
    again = measure(model, filter="all")
    assert again.num_tokens == 0
    assert again.results == measure(model, cache=False, filter="all").results


def test_another_model_and_other_settings_get_no_answer_that_is_not_theirs(
    measure: Callable[..., EvalReport], tiny_model_dir: Callable[..., Path]
) -> None:
    """Weights that are changed in their folder make another model; what is drawn at random is drawn every time."""
    model, other = tiny_model_dir(WORDS), tiny_model_dir(WORDS, seed=1, name="other")
    first = measure(model)
    assert measure(other).results == measure(other, cache=False).results
    assert measure(model, max_gen_toks=2).num_tokens > 0
    sampled: dict[str, Any] = {"gen_kwargs": {"do_sample": True, "temperature": 1.0}}
    assert measure(model, **sampled).num_tokens > 0
    assert measure(model, **sampled).num_tokens > 0
    changed = AutoModelForCausalLM.from_pretrained(other)
    changed.save_pretrained(model)
    assert [r.answer for r in measure(model).results] == [r.answer for r in measure(other).results]
    assert first.num_tokens > 0


SETTING = {"until": ["\n"], "do_sample": False}


def keep(folder: Path, numbers: range, told: Connection) -> None:
    """Keep an answer to each number, and tell how far it is; a process of its own."""
    kept = KeptAnswers(folder, {"model": "m"}, 16)
    for number in numbers:
        kept.add_partial("generate_until", (f"prompt {number}", SETTING), f"answer {number}")
        told.send(number)
    kept.write()
    told.close()


def found(folder: Path, num_answers: int) -> list[str | None]:
    kept = KeptAnswers(folder, {"model": "m"}, 16)
    return [kept.find(f"prompt {k}", SETTING) for k in range(num_answers)]


def test_a_process_killed_while_it_writes_leaves_whole_answers(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=keep, args=(tmp_path, range(100_000), there))
    process.start()
    while here.recv() < 2000:
        pass
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    answers = found(tmp_path, 2001)
    assert answers[:1900] == [f"answer {k}" for k in range(1900)]
    assert set(answers[1900:]) <= {None, *(f"answer {k}" for k in range(1900, 2001))}
    assert sqlite3.connect(tmp_path / FILE).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_two_processes_that_keep_the_same_and_other_answers_lose_none(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = []
    for numbers in (range(0, 600), range(300, 900)):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=keep, args=(tmp_path, numbers, there))
        process.start()
        processes.append((process, here, numbers))
    for process, here, numbers in processes:
        while here.recv() < numbers[-1]:
            pass
        process.join()
        assert process.exitcode == 0
    assert found(tmp_path, 900) == [f"answer {k}" for k in range(900)]


def test_a_cache_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"evals.cache must name a folder .*, got '.*file'"):
        KeptAnswers(tmp_path / "file", {}, 16)
