"""Conjunctions, ranges and tags among failing slices: planted ones are named, and pruning loses none."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from builders.items import column, made_items, report_of
from numpy.typing import NDArray

from diagnose.slices.failing.conditions import MOST, TAG, Conditions, conditions, numerics
from diagnose.slices.failing.counts import Thresholds
from diagnose.slices.failing.cover import Direction, Explained, confirmed
from diagnose.slices.failing.find import FailingSlice, find_failing_slices
from diagnose.slices.failing.search import _MIN_PAIR, Half, least_items, suspects
from diagnose.slices.predicate import PROMPT_WORDS, Slice, item_table
from diagnose.slices.tags import PROMPT_OPERATION
from evals.items import Item


def find(items: list[Item], failed: NDArray[np.bool_], fields: tuple[str, ...]) -> tuple[FailingSlice, ...]:
    return find_failing_slices(report_of(items, failed), fields, (), Thresholds())


def drawn(inside: NDArray[np.bool_], seed: int, rate: float = 0.6) -> NDArray[np.bool_]:
    return np.asarray(np.random.default_rng(seed).random(len(inside)) < np.where(inside, rate, 0.05), bool)


def test_what_fails_for_two_values_together_is_named_with_both() -> None:
    items = made_items(900, 0)
    inside = np.asarray((column(items, "color") == "red") & (column(items, "shape") == "cube"), bool)
    found = find(items, drawn(inside, 0), ("color", "shape", "depth"))
    assert [one.slice for one in found] == [Slice((("color", "red"), ("shape", "cube")))]
    assert found[0].num_items == inside.sum()


def test_a_value_that_fails_is_not_narrowed_by_a_second_condition() -> None:
    items = made_items(900, 1)
    inside = np.asarray(column(items, "color") == "red", bool)
    found = find(items, drawn(inside, 1), ("color", "shape", "depth", "size"))
    assert [str(one.slice) for one in found] == ["color = red"]


@pytest.mark.parametrize(("name", "low", "high"), [("depth", 30, 41), ("size", 0.5, 0.8)])
def test_a_range_of_numbers_that_fails_is_named_by_its_ends(name: str, low: float, high: float) -> None:
    items = made_items(900, 2)
    values = column(items, name).astype(float)
    inside = (values >= low) & (values <= high)
    (found,) = find(items, drawn(inside, 2), ("color", "depth", "size"))
    ((key, _),) = found.slice.conditions
    assert key == name
    named = item_table(items, [name]).members(found.slice)
    assert (named & inside).sum() >= 0.8 * (named | inside).sum()
    assert named.sum() == found.num_items


def test_the_search_of_pairs_names_what_a_loop_over_all_of_them_names() -> None:
    items = made_items(700, 3)
    inside = np.asarray((column(items, "color") == "red") & (column(items, "shape") == "cube"), bool)
    failed = drawn(inside, 3)
    first = np.arange(len(items)) % 2 == 0
    thresholds = Thresholds()
    found = made_conditions(items, ("color", "shape", "depth"))
    half = Half(failed, np.zeros(len(items), np.int64), first, np.ones(len(items), bool))
    pairs = {one.slice for one in suspects(found, half, thresholds) if len(one.slice.conditions) == 2}
    assert pairs == set(slow_pairs(found, half, thresholds))
    assert Slice((("color", "red"), ("shape", "cube"))) in pairs


def made_conditions(items: list[Item], fields: tuple[str, ...]) -> Conditions:
    table = item_table(items, fields)
    return conditions(table, fields, numerics(table, fields), 20)


def slow_pairs(found: Conditions, half: Half, thresholds: Thresholds) -> list[Slice]:
    """By counting the members of every pair."""

    size, loose = len(found.names), found.is_loose
    worth = np.array([half.count(found.members(k)).nats for k in range(size)]) - found.costs
    kept = []
    for i, j in combinations(range(size), 2):
        members = found.members(i) & found.members(j)
        counts = half.count(members)
        least = max(float(max(worth[i], worth[j], 0.0) + found.costs[i] + found.costs[j]), _MIN_PAIR)
        if (
            found.names[i][0] != found.names[j][0]
            and found.ranks[i] <= TAG
            and counts.items.sum() >= least_items(thresholds)
            and members.sum() >= thresholds.min_items
            and (counts.items.sum() <= MOST * half.items.sum() or not (loose[i] or loose[j]))
            and counts.is_clear(thresholds.min_gap)
            and counts.nats > least
        ):
            kept.append(Slice((found.names[i], found.names[j])))
    return kept


def test_what_one_half_finds_does_not_depend_on_failures_of_the_other() -> None:
    items = made_items(500, 4)
    first = np.arange(len(items)) % 2 == 0
    failed = drawn(np.asarray(column(items, "color") == "red", bool), 4)
    other = np.where(first, failed, ~failed)
    found = made_conditions(items, ("color", "shape", "depth", "size"))
    everything, one_task = np.ones(len(items), bool), np.zeros(len(items), np.int64)
    one, two = (suspects(found, Half(labels, one_task, first, everything), Thresholds()) for labels in (failed, other))
    assert [c.slice for c in one] == [c.slice for c in two]
    assert len(one) > 1


def test_two_directions_of_tests_double_the_p_of_one() -> None:
    items = made_items(600, 5)
    failed = drawn(np.asarray(column(items, "color") == "red", bool), 5, rate=0.25)
    first = np.arange(len(items)) % 2 == 0
    everything, one_task = np.ones(len(items), bool), np.zeros(len(items), np.int64)
    found = made_conditions(items, ("color",))
    half = Half(failed, one_task, first, everything)
    red = next(c for c in suspects(found, half, Thresholds()) if str(c.slice) == "color = red")
    explained = Explained(failed, one_task, everything)
    alone = confirmed([Direction((red,), first)], explained, Thresholds())
    both = confirmed([Direction((red,), first), Direction((), ~first)], explained, Thresholds())
    assert both[0].p_adjusted == pytest.approx(2 * alone[0].p_adjusted)


def test_fields_and_numbers_are_found_in_any_order_of_the_items() -> None:
    items = made_items(900, 6)
    values = column(items, "depth").astype(float)
    failed = drawn((values >= 30) & (values <= 41) & np.asarray(column(items, "shape") != "cone", bool), 6)
    order = np.random.default_rng(0).permutation(len(items)).tolist()
    fields = ("color", "shape", "depth", "size")
    found = find(items, failed, fields)
    assert len(found) >= 1
    assert find([items[k] for k in order], failed[order], fields) == found


def test_no_range_and_no_pair_holds_an_item_of_a_guard() -> None:
    items = made_items(1200, 7)
    values = column(items, "depth").astype(float)
    items = [replace(item, task="guard") if values[k] < 35 else item for k, item in enumerate(items)]
    failed = drawn((values >= 30) & (values <= 45), 7, rate=0.9)
    found = find_failing_slices(report_of(items, failed), ("color", "depth"), ("guard",), Thresholds())
    table = item_table(items, ("color", "depth"))
    assert found
    for one in found:
        assert not (table.members(one.slice) & (table.fields["task"] == "guard")).any()


def test_an_operation_that_fails_is_named_where_no_field_says_so() -> None:
    items = made_items(900, 8)
    asked = (
        "Sort {}",
        "List in ascending order {}",
        "Give the sorted {}",
        "Repeat {}",
        "Show {}",
        "Keep {}",
        "Take {}",
    )
    items = [replace(item, prompt=asked[k % 7].format(item.prompt)) for k, item in enumerate(items)]
    inside = np.arange(len(items)) % 7 < 3
    found = find(items, drawn(inside, 8), ("color", "shape"))
    assert [one.slice for one in found] == [Slice(((PROMPT_OPERATION, "sorting"),))]
    named = [replace(item, document={**item.document, "kind": f"k{k % 7 < 3}"}) for k, item in enumerate(items)]
    assert [str(one.slice) for one in find(named, drawn(inside, 8), ("color", "kind"))] == ["kind = kTrue"]


def test_lengths_have_ranges_too() -> None:
    items = [replace(item, prompt=" ".join(["word"] * (1 + k % 60))) for k, item in enumerate(made_items(900, 9))]
    (found,) = find(items, drawn(np.arange(900) % 60 >= 45, 9), ())
    ((key, value),) = found.slice.conditions
    assert key == PROMPT_WORDS
    assert value.endswith(" or more")
    assert abs(int(value.split()[0]) - 46) <= 1
