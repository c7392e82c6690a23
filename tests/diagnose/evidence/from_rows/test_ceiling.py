"""Labels that prompts say something of, and labels that are chance."""

import numpy as np
import pytest
from builders.items import result
from builders.subjects import subject

from diagnose.evidence.from_rows.ceiling import check_ceiling

CLASSES = ("red", "blue", "green")


def agreement(noise: float) -> dict[str, float]:
    """Prompts with words of their class; this share of all labels, of rows and of items, is drawn anew."""
    rng = np.random.default_rng(0)

    def drawn(name: str, number: int) -> list[tuple[str, str]]:
        made = []
        for k in range(number):
            kind = int(rng.integers(3))
            label = CLASSES[int(rng.integers(3)) if rng.random() < noise else kind]
            made.append((f"sort {CLASSES[kind]}ish{rng.integers(4)} {name}{k} n{rng.integers(30)}", label))
        return made

    rows = drawn("row", 600)
    results = [result(prompt, gold, gold if k % 2 else "none") for k, (prompt, gold) in enumerate(drawn("item", 300))]
    return dict(check_ceiling(subject(results, rows)).values)


def test_neighbours_agree_as_far_as_labels_are_no_chance() -> None:
    assert agreement(0.0)["agreement"] > 0.9
    half = agreement(0.5)  # both labels are kept in a quarter
    assert half["agreement"] == pytest.approx(0.25, abs=0.08)
    assert half["agreement_z"] > 4


def test_where_all_labels_are_chance_neighbours_agree_no_more_than_others() -> None:
    found = agreement(1.0)
    assert abs(found["agreement_z"]) < 2.5
    assert abs(found["agreement"]) < 0.08


def test_answers_that_are_no_labels_are_left_alone() -> None:
    rows = [(f"sort {k}", f"answer {k}") for k in range(200)]
    results = [result(f"sort {k} x", f"answer {k}", "none" if k % 2 else f"answer {k}") for k in range(100)]
    assert check_ceiling(subject(results, rows)).values == {}
