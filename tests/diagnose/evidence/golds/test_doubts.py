"""Golds that were planted wrong are found by votes alone, and nothing else about the votes matters."""

from collections.abc import Mapping

import numpy as np
import pytest

from diagnose.evidence.golds.doubts import GoldDoubts, doubt_golds
from diagnose.evidence.golds.votes import AskedItem, count_votes, model_weights
from evals.items import ItemKey

CHOICES = ("north", "south", "east", "west")
SUBJECTS = ("birds", "boats", "winds")
NUM_ITEMS, NUM_MODELS, SHARE_WRONG = 600, 8, 0.08

Answers = dict[str, dict[ItemKey, str]]


def asked(share_wrong: float, seed: int = 0) -> tuple[list[AskedItem], Answers, set[ItemKey]]:
    """Items of which models know four in five; on the others each errs by itself. Golds of some are wrong."""
    rng = np.random.default_rng(seed)
    items, wrong = [], set()
    answers: Answers = {f"m{k}": {} for k in range(NUM_MODELS)}
    for number in range(NUM_ITEMS):
        truth, gold = rng.permutation(4)[:2] if rng.random() < share_wrong else [rng.integers(4)] * 2
        item = AskedItem(ItemKey("task", str(number)), CHOICES[gold], CHOICES, SUBJECTS[number % 3])
        items.append(item)
        if truth != gold:
            wrong.add(item.key)
        known = 0.95 if rng.random() < 0.8 else 0.4
        for of_model in answers.values():
            of_model[item.key] = CHOICES[truth if rng.random() < known else rng.integers(4)]
    return items, answers, wrong


def told(found: GoldDoubts) -> Mapping[ItemKey, tuple[str, float]]:
    return {doubt.key: (doubt.suggested_gold, round(doubt.probability, 3)) for doubt in found.doubts}


@pytest.fixture(scope="module")
def planted() -> tuple[list[AskedItem], Answers, set[ItemKey]]:
    return asked(SHARE_WRONG)


def test_planted_wrong_golds_come_first_and_as_many_are_expected(
    planted: tuple[list[AskedItem], Answers, set[ItemKey]],
) -> None:
    items, answers, wrong = planted
    found = doubt_golds(items, answers)
    first = [doubt.key in wrong for doubt in found.doubts[: len(wrong)]]
    assert np.mean(first) > 0.85
    assert found.expected == pytest.approx(len(wrong), rel=0.25)
    sure = [doubt for doubt in found.doubts if doubt.probability > 0.9]
    assert np.mean([doubt.key in wrong for doubt in sure]) > 0.9
    assert all(len(doubt.models) > len(doubt.models_for_gold) for doubt in sure)


def test_right_golds_are_not_doubted_however_hard_the_items_are() -> None:
    items, answers, _ = asked(0.0, seed=1)
    found = doubt_golds(items, answers)
    assert found.expected < 0.02 * NUM_ITEMS
    assert sum(doubt.probability > 0.9 for doubt in found.doubts) <= 1


def test_a_model_that_guesses_has_next_to_no_vote(planted: tuple[list[AskedItem], Answers, set[ItemKey]]) -> None:
    items, answers, wrong = planted
    rng = np.random.default_rng(3)
    guessed = {item.key: CHOICES[rng.integers(4)] for item in items}
    found = doubt_golds(items, {**answers, "guesses": guessed})
    assert found.weights["guesses"] < 0.1
    assert max(found.weights.values()) == 1.0
    assert np.mean([doubt.key in wrong for doubt in found.doubts[: len(wrong)]]) > 0.85


def test_neither_the_order_of_items_and_models_nor_the_names_of_choices_matter(
    planted: tuple[list[AskedItem], Answers, set[ItemKey]],
) -> None:
    items, answers, _ = planted
    expected = told(doubt_golds(items, answers))
    turned = told(doubt_golds(items[::-1], dict(reversed(answers.items()))))
    assert turned.keys() == expected.keys()
    for key, (_, probability) in turned.items():
        assert probability == pytest.approx(expected[key][1], abs=0.02)
    renamed = [AskedItem(i.key, i.gold.upper(), tuple(c.upper() for c in i.choices[::-1]), i.group) for i in items]
    upper = {name: {key: answer.upper() for key, answer in said.items()} for name, said in answers.items()}
    again = told(doubt_golds(renamed, upper))
    sure = {key for key, (_, probability) in expected.items() if probability > 0.5}
    assert sure
    for key in sure:  # equal votes have no order
        assert again[key][0].lower() == expected[key][0]
        assert again[key][1] == pytest.approx(expected[key][1], abs=0.02)


def test_written_answers_are_one_where_case_and_marks_alone_differ() -> None:
    item = AskedItem(ItemKey("task", "0"), "Paris", (), "task")
    key = item.key
    votes = count_votes([item], {"a": {key: "paris."}, "b": {key: "Lyon"}, "c": {key: "LYON"}, "d": {}})
    assert votes.counts(np.ones(4)).tolist() == [[1.0, 2.0, 0.0]]
    assert votes.gold.tolist() == [0]
    assert votes.num_options.tolist() == [3]
    assert votes.given.tolist() == [[0, 1, 1, -1]]


def test_an_answer_that_is_no_choice_and_an_item_that_one_model_answered_do_not_count() -> None:
    items = [AskedItem(ItemKey("task", str(k)), "north", CHOICES, "task") for k in range(3)]
    one, two = (
        {items[0].key: "south", items[1].key: "up"},
        {items[0].key: "south", items[1].key: "north", items[2].key: "west"},
    )
    votes = count_votes(items, {"a": one, "b": two})
    assert [item.key.id for item in votes.items] == ["0"]
    assert model_weights(votes).tolist() == [1.0, 1.0]


def test_one_model_alone_and_models_without_common_items_are_refused() -> None:
    items = [AskedItem(ItemKey("task", str(k)), "north", CHOICES, "task") for k in range(2)]
    with pytest.raises(ValueError, match="at least 2 models, got 1"):
        doubt_golds(items, {"a": {items[0].key: "south"}})
    with pytest.raises(ValueError, match="no item with a gold was answered by two of a, b"):
        doubt_golds(items, {"a": {items[0].key: "south"}, "b": {items[1].key: "south"}})
