"""Which slice stands inside which."""

import numpy as np
from builders.items import column, made_items

from diagnose.slices.predicate import Slice, item_table
from diagnose.slices.tree import slice_tree

FIELDS = ("color", "shape")


def test_each_slice_of_the_tree_stands_under_the_smallest_that_holds_it() -> None:
    items = made_items(600, 26)
    failed = np.random.default_rng(26).random(len(items)) < 0.5
    red, both, cube = (
        Slice((("color", "red"),)),
        Slice((("color", "red"), ("shape", "cube"))),
        Slice((("shape", "cube"),)),
    )
    nodes = slice_tree([both, red, cube], item_table(items, FIELDS), failed)
    table = Slice((("task", "task"),))
    inside = np.asarray((column(items, "color") == "red") & (column(items, "shape") == "cube"), bool)
    # Red and cubes are not inside each other; of the two above their overlap the smaller one is its parent.
    smaller = min((red, cube), key=lambda one: item_table(items, FIELDS).members(one).sum())
    above = {node.slice: node.inside for node in nodes}
    assert above == {table: None, red: table, cube: table, both: smaller}
    assert nodes[0].slice == table
    assert not nodes[0].is_finding
    assert (nodes[0].num_items, nodes[0].num_failed) == (600, failed.sum())
    shown = next(node for node in nodes if node.slice == both)
    assert (shown.depth, shown.num_items, shown.num_failed) == (2, inside.sum(), (inside & failed).sum())
