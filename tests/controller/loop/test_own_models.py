"""Loops on models and rows as people have them: real trainings of tiny ones."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.toy import LETTERS, SKILLS, write_toy

from controller.cli.compose import composed
from controller.loop.loop import run_loop
from controller.loop.run import opened

pytestmark = pytest.mark.slow

TURNS = (
    "{% for m in messages %}{{ '<' ~ m.role ~ '> ' ~ m.content ~ (' [EOS] ' if m.role == 'assistant' else ' ') }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<assistant> ' }}{% endif %}"
)


@pytest.fixture
def chat_model(tiny_model_dir: Callable[..., Path]) -> Path:
    words = [*SKILLS, *LETTERS, *(f"{skill}_{letter}" for skill in SKILLS for letter in LETTERS)]
    folder = tiny_model_dir([*words, "<system> <user> <assistant> short"])
    (folder / "chat_template.jinja").write_text(TURNS)
    return folder


def settings_on(model: Path, folder: Path, *words: str) -> list[str]:
    """The toy on a model of one's own, which is trained on the corpus first."""
    kept = [word for word in write_toy(folder) if not word.startswith("model.")]
    own = ["model=pretrained", f"model.name={model}", "train.initial=true", "train.learning_rate=5e-3"]
    return [*kept, "budget.rounds=1", "train.max_length=48", *own, *words]


def write_talks(folder: Path) -> str:
    """The toy's rows as conversations."""
    path = folder / "talks.jsonl"
    with path.open("w") as file:
        for line in (folder / "rows.jsonl").read_text().splitlines():
            row = json.loads(line)
            turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]
            file.write(json.dumps({"messages": turns, "skill": row["skill"]}) + "\n")
    return str(path)


def test_a_loop_on_conversations_gives_what_the_same_rows_rendered_as_conversations_give(
    chat_model: Path, tmp_path: Path
) -> None:
    results = []
    for name in ("talks", "rows"):
        folder = tmp_path / name
        folder.mkdir()
        words = settings_on(chat_model, folder, "evals.apply_chat_template=true")
        if name == "talks":
            words = [*words, f"corpus.train={write_talks(folder)}", "corpus.messages=messages"]
        else:
            words = [*words, "corpus.apply_chat_template=true"]
        results.append(run_loop(composed(words), None))
    talks, rows = results
    assert talks.rounds[0].measure == rows.rounds[0].measure
    assert [f.slice for f in talks.rounds[0].diagnosis.findings] == [f.slice for f in rows.rounds[0].diagnosis.findings]
    assert talks.rounds[0].diagnosis.findings
    assert any("chat template" in name for name in talks.versions)


def test_a_model_that_is_trained_in_a_template_and_asked_without_it_is_told_before_it_is_trained(
    chat_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = [*settings_on(chat_model, tmp_path), f"corpus.train={write_talks(tmp_path)}", "corpus.messages=messages"]
    with caplog.at_level(logging.WARNING), opened(composed(words), tmp_path / "run"):
        assert "is asked without it" in caplog.text
    assert not list((tmp_path / "run" / "stages").glob("train*"))


def test_a_loop_on_an_adapter_reads_one_base_and_stores_no_copy_of_it(chat_model: Path, tmp_path: Path) -> None:
    words = settings_on(chat_model, tmp_path, "evals.apply_chat_template=true", "corpus.apply_chat_template=true")
    result = run_loop(composed([*words, "model.lora.r=4", "train.learning_rate=1e-2"]), None)
    assert result.rounds[0].diagnosis.findings
    folders = list((tmp_path / "run").rglob("adapter_model.safetensors"))
    assert folders
    assert not list((tmp_path / "run").rglob("model.safetensors"))
