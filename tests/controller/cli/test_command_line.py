"""Verbs, usage and the plan; what is said to bad input has a file of its own."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cli.clean import size
from controller.main import run

Task = Callable[..., Path]


@pytest.fixture
def mine(tmp_path: Path, task_dir: Task, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Overrides of a small corpus and task of one's own, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"say w{i % 7}", "completion": f"w{i % 7}"} for i in range(30)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = task_dir(
        "mine",
        rows,
        {
            "output_type": "generate_until",
            "doc_to_text": "{{prompt}}",
            "doc_to_target": "{{completion}}",
            "generation_kwargs": {"until": ["\n"], "max_gen_toks": 3},
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        },
    )
    return [
        "corpus.train=train.jsonl",
        "evals.tasks=[mine]",
        f"evals.include_path={folder}",
        "model.tokenizer=word",
        "train.max_steps=2",
        "run_dir=run",
    ]


def test_a_misspelt_verb_offers_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["lop"]) == 2
    assert "unknown verb 'lop'; did you mean 'loop'?" in capfd.readouterr().err


def test_without_a_verb_the_usage_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "usage: evalmend VERB" in capfd.readouterr().out


def test_the_plan_tells_costs_and_trains_nothing(mine: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", *mine]) == 0
    out = capfd.readouterr().out
    assert "corpus     30 rows" in out
    assert "each round 9 trainings" in out
    assert "retrained  a fix that leaves less than 50% of the corpus" in out
    lines = {line.partition(" ")[0]: line for line in out.splitlines()}
    assert "timed steps had" in lines["time"]
    assert "an estimate" in lines["memory"]
    # One from nothing, two of round 0; for each of at most eight seeds two of challenger and random, one of `continue`.
    each = 4 * int(re.search(r"model +([\d,]+) parameters", out)[1].replace(",", ""))
    assert f"at most {size(43 * each)} of weights" in lines["disk"]
    assert lines["disk"].endswith(f"{size(each)} a model")
    assert not list(Path().glob("run/stages/train*"))
    assert len(list(Path("run").rglob("*.safetensors"))) == 1  # what was built


def test_the_plan_counts_every_arm(mine: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", *mine, "verify=full"]) == 0
    out = capfd.readouterr().out
    assert "each round 24 trainings (challenger, continue, random, stratified, bm25, loss, shuffled, " in out
    assert "each round 6 trainings (continue@compute, random@compute; 3 seeds)" in out
    assert "tokens for the losses of rows" in out
