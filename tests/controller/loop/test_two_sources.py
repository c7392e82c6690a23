"""A loop on a corpus of two sources, one of which has labels at random: it is named, counted and cleaned."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from builders.corpora import CLASSES, write_questions

from controller.cli.compose import composed
from controller.loop.loop import run_loop

ARMS = "verify.arms=[continue,random,from:noisy]"

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_a_source_with_labels_at_random_is_named_as_the_cause_and_its_rows_leave(tmp_path: Path) -> None:
    words = write_questions(tmp_path)
    result = run_loop(
        composed([*words, "interventions=clean", "budget.rounds=1", "train.update.max_steps=60", ARMS]), None
    )
    (found, *_) = result.rounds[0].diagnosis.findings
    assert (found.cause, found.data_slice) == ("wrong_labels", {"source": "noisy"})
    assert [source.slice["source"] for source in found.sources] == ["noisy", "clean"]
    assert found.sources[0].effect < 0 < found.sources[1].effect
    (action, *_) = result.rounds[0].plan.actions
    assert (action.kind, action.slice) == ("clean", {"source": "noisy"})
    assert action.num_removed > 400 * 2 / 3 / 2  # two of three random labels are wrong: half of these at least
    patch = pq.read_table(tmp_path / "run" / "mix-0.parquet").to_pylist()
    left = [row for row in patch if row["kind"] == "clean"]
    assert len(left) == action.num_removed
    right = {word: label for label, cues in CLASSES.items() for word in cues}
    assert sum(row["completion"] != right[row["prompt"].split()[0]] for row in left) >= 0.9 * len(left)
    assert {row["source"] for row in left} == {"noisy"}
    counts = {one.source: one for one in result.corpus}
    assert {name: one.share for name, one in counts.items()} == pytest.approx({"noisy": 2 / 3, "clean": 1 / 3})
    drawn = {one.source: one.num_draws for one in result.rounds[0].verdict.arms["continue"].drawn}
    assert drawn["noisy"] == pytest.approx(2 * drawn["clean"], rel=0.05)
    arms = result.rounds[0].verdict.arms
    assert arms["challenger"].score > arms["random"].score
    assert arms["challenger"].score > arms["from:noisy"].score  # it matters which of the source's rows leave
    assert (
        result.rounds[0]
        .plan.controls["from:noisy"]
        .endswith("of the source noisy, drawn at random, anew for each training")
    )
    assert json.loads((tmp_path / "run" / "loop.json").read_text())["corpus"][0]["source"] == "noisy"
    assert "What it is trained on" in (tmp_path / "run" / "report.html").read_text()
