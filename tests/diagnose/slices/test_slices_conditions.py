"""Ranges and tags read the same on items and rows, one by one and many at once."""

import math

import numpy as np
import pytest
from builders.items import item
from builders.pools import train_pool

from diagnose.slices.data.find import FailingItems, find_data_slices
from diagnose.slices.data.parts import ScoredPart, ScoredParts
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice, item_table, row_members, row_table
from diagnose.slices.ranges import bounds, described, number
from diagnose.slices.tags import (
    ANSWER_FORM,
    PROMPT_BACKGROUND,
    PROMPT_OPERATION,
    PROMPT_TYPE,
    TAG_KEYS,
    all_tags,
    with_tag,
)

TABLE = "| a | b |\n| 1 | 2 |"


def test_a_described_range_holds_its_values_and_none_of_the_others() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        scale = 10.0 ** rng.integers(-6, 7)
        drawn = rng.normal(size=12) * scale
        values = np.unique(np.round(drawn) if rng.random() < 0.5 else drawn)
        if len(values) < 2:
            continue
        first = int(rng.integers(len(values)))
        last = int(rng.integers(first, len(values)))
        if (first, last) == (0, len(values) - 1):
            continue
        text = described(values, first, last)
        where = Slice((("size", text),))
        inside = [where.holds("", {"size": value}) for value in values.tolist()]
        assert inside == [first <= k <= last for k in range(len(values))], text


def test_ranges_are_told_in_round_numbers() -> None:
    values = np.array([0.1234, 0.2911, 0.3049, 0.377, 0.4123])
    assert described(values, 2, 3) == "0.3 to 0.4"
    assert described(values, 0, 1) == "0.3 or less"
    assert described(np.arange(10.0), 3, 7) == "3 to 7"
    assert described(np.arange(10.0), 8, 9) == "8 or more"


def test_a_text_that_is_no_number_is_in_no_range() -> None:
    assert [math.isnan(number(text)) for text in ("nan", "inf", "1_000", "", "3 to 7", "four")] == [True] * 6
    assert bounds("3 to 7") == (3, 7)
    assert bounds("-2.5e3 or less") == (-math.inf, -2500)
    assert [bounds(text) for text in ("3", "3 to", "to 7", "3 to 7 days")] == [None] * 4


def test_a_range_takes_numbers_of_rows_and_the_same_text_as_a_value() -> None:
    where = Slice((("age", "3 to 7"),))
    ages = ["3", "7.0", "3 to 7", "7.1", "8", "five", None]
    expected = [True, True, True, False, False, False, False]
    assert [where.holds("", {"age": age}) for age in ages] == expected
    assert row_members(where, train_pool([("p", "c")] * 7, age=ages)).tolist() == expected


@pytest.mark.parametrize(
    ("key", "value", "text", "answer"),
    [
        (PROMPT_TYPE, "multiple choice", "Which is red?\nA. rose\nB. grass\nAnswer:", "A"),
        (PROMPT_TYPE, "fill in", "The cat sat on the ___ .", "mat"),
        (PROMPT_TYPE, "question", "Who was it?", "she"),
        (PROMPT_TYPE, "plain text", "Once upon a time", "Once  upon a time"),
        (PROMPT_OPERATION, "arithmetic", "What is 3 + 4?", "7"),
        (PROMPT_OPERATION, "counting", "How many apples are left?", "3"),
        (PROMPT_OPERATION, "comparison", "Is a mile longer than a kilometre?", "yes"),
        (PROMPT_OPERATION, "sorting", "Sort: pear, fig", "fig, pear"),
        (PROMPT_OPERATION, "reversing", "reverse 'abc'", "cba"),
        (PROMPT_OPERATION, "negation", "Which of these isn't a fruit?", "stone"),
        (PROMPT_BACKGROUND, "table", TABLE, "3"),
        (PROMPT_BACKGROUND, "digits", "room 12", "x"),
        (PROMPT_BACKGROUND, "code", "def f(x): return x", "x"),
        (PROMPT_BACKGROUND, "quotation", 'He said "not today, thanks" and left.', "x"),
        (PROMPT_BACKGROUND, "long context", "word " * 200, "x"),
        (ANSWER_FORM, "number", "x", " -1,200.5"),
        (ANSWER_FORM, "yes or no", "x", "No."),
        (ANSWER_FORM, "letter", "x", "(B)"),
        (ANSWER_FORM, "one word", "x", "Paris"),
        (ANSWER_FORM, "few words", "x", "New York City"),
        (ANSWER_FORM, "list", "x", "fig, pear, plum"),
        (ANSWER_FORM, "long text", "x", "word " * 50),
    ],
)
def test_a_rule_finds_what_its_tag_says(key: str, value: str, text: str, answer: str) -> None:
    other = "grey parrot" if value != "few words" else "parrot"
    assert with_tag(key, value, [text, "Name one bird."], [answer, other]).tolist() == [True, False]


def test_all_tags_at_once_are_those_asked_one_by_one() -> None:
    texts, answers = ["How many?", TABLE, "Sort 3 1 2", "free"], ["3", "no", "1, 2, 3", "free"]
    for key, value, inside in all_tags(texts, answers, TAG_KEYS):
        assert inside.tolist() == with_tag(key, value, texts, answers).tolist()


def test_a_row_has_the_tags_of_an_item_with_the_same_words() -> None:
    texts, answers = ["How many?", TABLE, "Sort 3 1 2", "free"], ["3", "no", "1, 2, 3", "free"]
    items = [item(text, answer) for text, answer in zip(texts, answers, strict=True)]
    rows = train_pool(zip(texts, answers, strict=True))
    for key, value, _ in all_tags(texts, answers, TAG_KEYS):
        where = Slice(((key, value),))
        assert item_table(items, ()).members(where).tolist() == row_members(where, rows).tolist()


def test_a_field_of_the_same_name_is_asked_instead_of_a_tag() -> None:
    where = Slice(((ANSWER_FORM, "number"),))
    own = item("How many?", "3", document={ANSWER_FORM: "mine"})
    assert item_table([own], ()).members(where).tolist() == [False]
    assert item_table([own], ()).members(Slice(((ANSWER_FORM, "mine"),))).tolist() == [True]
    assert not where.holds(own.text, own.document, own.target)
    # A field that only rows have leaves the items' tag as it is.
    assert item_table([item("How many?", "3")], (ANSWER_FORM,)).members(where).tolist() == [True]
    assert row_members(where, train_pool([("How many?", "3")], **{ANSWER_FORM: ["mine"]})).tolist() == [False]


def test_a_failing_tag_names_the_rows_that_have_it() -> None:
    rng = np.random.default_rng(0)
    asked = ["Sort fig pear", "Keep fig pear", "Give in ascending order", "Show them"]
    texts = [f"{asked[k % 4]} {rng.integers(10**6)}" for k in range(800)]
    items = item_table([item(text, "x") for text in texts[:400]], ())
    where = Slice(((PROMPT_OPERATION, "sorting"),))
    rows = row_table(train_pool((text, "x") for text in texts), ())
    effect = np.where(rows.members(where), 1.0, 0.0) + rng.normal(size=800)
    part = ScoredPart(
        table=rows,
        in_pool=False,
        scored=np.arange(800),
        order=np.arange(800),
        effect=effect[:, None].astype(np.float32),
        retrieval=np.zeros((800, 1), np.float32),
        losses=np.zeros((800, 1), np.float32),
    )
    (found,) = find_data_slices(
        [FailingItems(where, items.members(where))], items, ScoredParts(800, 0, 800, lambda: [part])
    )
    assert found.slices[0].slice == where
    assert found.coverage == 1.0
    assert PROMPT_CONTAINS not in found.slices[0].slice.as_dict()
