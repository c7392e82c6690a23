"""Sources of the corpus: one with wrong labels is blamed, and neither a class nor a source of another domain is."""

from collections.abc import Sequence

import numpy as np
import pytest
from builders.items import result
from builders.subjects import subject
from numpy.typing import NDArray

from diagnose.evidence.examine import TESTS, CauseTest, Means, Needs, examine, values_of
from diagnose.evidence.from_rows.amounts import count_rows
from diagnose.evidence.from_rows.labels import check_labels
from diagnose.evidence.from_rows.source_labels import check_sources
from diagnose.evidence.subject import Subject
from diagnose.finding.readings import readings_of
from diagnose.slices.predicate import SOURCE, Slice
from diagnose.slices.tags import GOLD_ANSWER

LABELS = ("PLACE", "PERSON", "NUMBER")
BEGINNINGS = dict(zip(LABELS, ("where is the", "who was the", "how many of the"), strict=True))
PERSONS = Slice(((GOLD_ANSWER, "PERSON"),))
SOURCES = ("web", "math", "math") * 300


def questions(number: int, seed: int) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    return [(f"{BEGINNINGS[label]} sort n{rng.integers(50)}", label) for label in rng.choice(LABELS, number).tolist()]


def labelled(
    is_wrong: NDArray[np.bool_], effect: NDArray[np.float64] | None = None, sources: Sequence[str] = SOURCES
) -> Subject:
    """900 questions, every third of the source `web`; some labels are wrong, and those rows work against the items."""
    rng = np.random.default_rng(2)
    rows = [
        (prompt, str(rng.choice([other for other in LABELS if other != label])) if wrong else label)
        for (prompt, label), wrong in zip(questions(900, 0), is_wrong.tolist(), strict=True)
    ]
    effects = np.where(is_wrong, -1.0, 1.0) + rng.normal(0, 0.5, 900) if effect is None else effect
    items = [result(p, label, "PLACE") for p, label in questions(600, 1)]
    return subject(items, rows, effect=effects.tolist(), where=PERSONS, sources=sources)


IS_WEB = np.arange(900) % 3 == 0
IS_PERSON = np.array([label == "PERSON" for _, label in questions(900, 0)])
IS_DRAWN = np.random.default_rng(3).random(900) < 0.6


def test_a_source_of_which_three_in_five_labels_are_wrong_is_blamed_and_its_wrong_rows_may_leave() -> None:
    is_wrong = IS_WEB & IS_DRAWN
    asked = labelled(is_wrong)
    found = check_sources(asked)
    assert found.blames == Slice(((SOURCE, "web"),))
    assert found.values["source_denied"] == pytest.approx(is_wrong.sum() / 300, abs=0.02)
    assert 0.5 < found.values["source_wrong"] < is_wrong.sum() / 300
    assert found.values["source_denied_elsewhere"] < 0.02
    places = [int(row.id.removeprefix("train-")) for row in found.denied]
    assert is_wrong[places].all()
    assert len(places) >= 0.95 * is_wrong.sum()
    # What the source explains is hidden from the test of the class: other classes are as wrong.
    assert check_labels(asked).values["wrong"] < 0.05


def test_tests_after_one_that_blames_a_source_look_at_its_rows() -> None:
    asked = labelled(IS_WEB & IS_DRAWN)
    blaming = CauseTest(
        "source_labels", Needs.ROWS, dict.fromkeys(check_sources(asked).values, ""), lambda s, _: check_sources(s)
    )
    others = [test for test in TESTS if test.name in ("rows", "labels")]
    values = values_of(examine(asked, Means(None, None, {}), [blaming, *others]))
    assert values["corpus_rows"] == 300
    assert values["wrong"] > 0.5
    assert readings_of(values)["wrong"] == 1


def test_a_source_of_a_fifteenth_of_the_rows_that_has_wrong_labels_explains_too_little_to_be_blamed() -> None:
    few = np.arange(900) % 15 == 0
    found = check_sources(labelled(few & IS_DRAWN, sources=np.where(few, "web", "math").tolist()))
    assert found.blames is None


def test_a_class_that_is_wrong_in_every_source_is_a_bad_class_and_blames_no_source() -> None:
    asked = labelled(IS_PERSON & IS_DRAWN)
    assert check_labels(asked).values["wrong"] > 0.4
    found = check_sources(asked)
    assert (found.blames, found.values) == (None, {})


def test_right_labels_of_every_source_blame_none() -> None:
    assert check_sources(labelled(np.zeros(900, bool))).values == {}


def test_a_source_whose_labels_are_hard_to_tell_is_not_blamed_where_its_rows_help_as_others_do() -> None:
    effect = np.random.default_rng(0).normal(1.0, 0.5, 900)
    assert check_sources(labelled(IS_WEB & IS_DRAWN, effect)).blames is None


def test_a_corpus_of_one_source_blames_nothing() -> None:
    rows = questions(300, 0)
    found = check_sources(subject([result(p, label, "PLACE") for p, label in questions(300, 1)], rows))
    assert (found.blames, found.values) == (None, {})


def test_the_share_of_a_slice_is_that_of_the_draws_where_sources_have_weights() -> None:
    rows = [("sort b a", "a b"), ("turn b a", "a b"), ("turn c a", "a c")]
    weighted = subject(
        [result("sort b a", "a b", "b a")], rows, sources=["web", "math", "math"], weights={"web": 2.0, "math": 0.5}
    )
    assert count_rows(weighted).values["corpus_share"] == pytest.approx(2 / 3)
    assert count_rows(weighted).values["distinct_share"] == pytest.approx(2 / 3)
