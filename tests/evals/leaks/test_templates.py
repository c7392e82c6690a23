"""The same content in other words, as a suite declares it."""

import pytest
from builders.items import item

from evals.leaks.item_index import index_items
from evals.leaks.near_copies import ItemText, split_keys
from evals.leaks.templates import make_templates
from evals.suite import EvalSuite

SORT = {"sort": ["sort (?P<letters>.+)", "please put (?P<letters>.+) in order"]}


def test_a_reworded_row_of_an_item_is_found_and_other_slots_are_not() -> None:
    index = index_items([item("sort c a b", "a b c")], make_templates(SORT))
    rows = [("Please put c a b in order!", "a b c"), ("please put c b a in order", "a b c"), ("sort c a b", "x")]
    assert index.matches(rows).tolist() == [True, False, True]


def test_without_the_rule_only_the_same_words_are_found() -> None:
    index = index_items([item("sort c a b", "a b c")])
    assert index.matches([("please put c a b in order", "a b c"), ("Sort c  a b", "a b c")]).tolist() == [False, True]


def test_items_that_ask_the_same_in_other_words_share_a_split() -> None:
    prompts = ["sort c a b", "please put c a b in order", "sort c b a"]
    texts = [ItemText("t", prompt, "a b c", f"{number:04x}") for number, prompt in enumerate(prompts)]
    first, second, third = split_keys(texts, make_templates(SORT))
    assert first == second != third


def test_two_rules_with_equal_slots_stay_apart() -> None:
    rules = make_templates({"up": ["sort (?P<letters>.+)"], "down": ["descend (?P<letters>.+)"]})
    assert rules.canonical("sort c a b") != rules.canonical("descend c a b")


def test_a_pattern_without_slots_or_that_is_none_is_refused_with_its_rule() -> None:
    with pytest.raises(ValueError, match=r"evals\.templates\.sort needs named groups"):
        EvalSuite(templates={"sort": ["sort .+"]})
    with pytest.raises(ValueError, match=r"evals\.templates\.sort holds no regular expression"):
        EvalSuite(templates={"sort": ["sort (?P<letters>.+"]})
