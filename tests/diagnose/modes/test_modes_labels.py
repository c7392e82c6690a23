"""Labels of a user's own: what they teach, what is refused, what they change in the key of a diagnosis."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diagnose.diagnoser import Diagnoser
from diagnose.modes.classifier import load_classifier
from diagnose.modes.examples import read_mode_labels
from diagnose.modes.features import Answered
from diagnose.modes.fit import classifier_with
from diagnose.modes.mode import Mode

CITIES = ("Rome", "Bonn", "Oslo", "Turin", "Kyoto", "Quito", "Malmo", "Perth", "Davos", "Genoa")


def weather(place: str, other: str) -> tuple[str, str, str]:
    """A forecast of the wrong kind: no shipped example has a mode for it."""
    return f"forecast {place} tomorrow", f"{place}: rain", f"{other}: storm warning level red"


def row(place: str, other: str, mode: str = "near_miss") -> dict[str, Any]:
    prompt, target, answer = weather(place, other)
    return {"prompt": prompt, "target": target, "answer": answer, "mode": mode}


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_user_labels_teach_a_mode_the_shipped_examples_do_not_know(tmp_path: Path) -> None:
    taught = classifier_with(write(tmp_path / "labels.jsonl", [row(p, o) for p, o in pairwise(CITIES)]))
    asked = [Answered(*weather("Lagos", "Delhi")), Answered(*weather("Sofia", "Cairo"))]
    shipped = load_classifier()
    assert Mode.NEAR_MISS not in shipped.modes
    assert shipped.modes_of(asked) == [Mode.WRONG, Mode.WRONG]
    assert taught.modes_of(asked) == [Mode.NEAR_MISS, Mode.NEAR_MISS]


def test_what_was_known_before_the_labels_is_known_after(tmp_path: Path) -> None:
    taught = classifier_with(write(tmp_path / "labels.jsonl", [row(p, o) for p, o in pairwise(CITIES)]))
    sums = Answered("Kim buys 4 boxes of 12 crayons and gives away 15. How many crayons are left?", "33", "48")
    facts = Answered("Who painted the ceiling of the chapel?", "Michelangelo", "Leonardo")
    assert taught.modes_of([sums, facts]) == [Mode.REASONING, Mode.KNOWLEDGE]


def test_the_same_labels_fit_the_same_classifier(tmp_path: Path) -> None:
    file = write(tmp_path / "labels.jsonl", [row("Rome", "Bonn"), row("Oslo", "Rome", "knowledge")])
    first, second = classifier_with(file), classifier_with(file)
    assert np.array_equal(first.coef, second.coef)
    assert first.temperature == second.temperature


def test_one_label_of_a_new_mode_is_enough_to_fit(tmp_path: Path) -> None:
    taught = classifier_with(write(tmp_path / "labels.jsonl", [row("Rome", "Bonn")]))
    assert Mode.NEAR_MISS in taught.modes


def test_an_output_type_may_be_given(tmp_path: Path) -> None:
    file = write(tmp_path / "labels.jsonl", [row("Rome", "Bonn") | {"output_type": "multiple_choice"}])
    assert [label.item.is_generated for label in read_mode_labels(file)] == [False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"mode": "Near-mis"},
            r"line 2 of .*: mode must be one of no_answer, .* got 'Near-mis'; did you mean 'near_miss'\?",
        ),
        ({"mode": "qqq"}, r"line 2 of .*: mode must be one of .*, wrong, got 'qqq'$"),
        ({"mode": 3}, r"line 2 of .*: mode must be a text, got 3"),
        ({"target": None}, r"line 2 of .*: target must be a text, got None"),
        (
            {"output_type": "loglikelihood"},
            r"line 2 .*: output_type must be generate_until or multiple_choice, got 'loglikelihood'",
        ),
        ({"output_type": "x"}, r"line 2 .*: output_type must be generate_until or multiple_choice, got 'x'"),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = write(tmp_path / "labels.jsonl", [row("Rome", "Bonn"), row("Oslo", "Bonn") | change])
    with pytest.raises(ValueError, match=f"(?s)diagnose.mode_labels: {message}"):
        read_mode_labels(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{not json}\n", "line 1 of .* is not JSON"),
        ("[1]\n", "line 1 of .* must be an object with prompt, target, answer and mode"),
        ('{"prompt": "a"}\n', "line 1 of .*: target must be a text, got no such key"),
        ("\n", "must hold at least one labelled failure"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.jsonl").write_text(text)
    with pytest.raises(ValueError, match=f"diagnose.mode_labels:? {message}"):
        read_mode_labels(str(tmp_path / "labels.jsonl"))


def test_a_file_that_is_missing_is_named_before_anything_is_computed(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match=r"diagnose.mode_labels names a file that does not exist, got '.*none\.jsonl'"):
        _ = Diagnoser(mode_labels=missing).determining


def test_a_diagnosis_depends_on_what_labels_say_and_not_on_where_they_lie(tmp_path: Path) -> None:
    rows = [row("Rome", "Bonn"), row("Oslo", "Bonn")]
    one, other = write(tmp_path / "a.jsonl", rows), write(tmp_path / "b.jsonl", rows)
    key = Diagnoser(mode_labels=one).determining
    assert key == Diagnoser(mode_labels=other).determining
    assert key != Diagnoser().determining
    write(tmp_path / "a.jsonl", [rows[0], rows[1] | {"mode": "knowledge"}])
    assert key != Diagnoser(mode_labels=one).determining
    json.dumps(key)
