"""A loop on plain text: nothing is asked, and texts on one subject are unlikely because the corpus has few of them."""

from pathlib import Path

import pytest

from controller.cli.compose import composed
from controller.loop.loop import run_loop
from controller.results.page.page import render

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_the_subject_of_unlikely_texts_is_named_and_texts_on_it_make_them_likelier(tmp_path: Path) -> None:
    words = [
        "experiment=pretrain_text",
        f"run_dir={tmp_path / 'run'}",
        "train.max_steps=120",
        "train.update.max_steps=30",
    ]
    narrow = ["model.arch.hidden_size=48", "model.arch.intermediate_size=96", "train.learning_rate=5e-3"]
    result = run_loop(composed([*words, *narrow]), None)
    (first, *_) = result.rounds[0].diagnosis.findings
    assert first.slice == {"subject": "chess"}
    assert (first.cause, first.data_slice) == ("missing_data", {"subject": "chess"})
    assert first.modes == {}
    arms = result.rounds[0].verdict.arms
    assert arms["before"].score < -1  # nats a word
    (gain,) = (one for one in result.rounds[0].verdict.gains if one.control == "continue")
    assert gain.ci[0] > 0.1  # nats a word, over the same training on the corpus alone
    assert "Scores of reports have no threshold" in render(result)
