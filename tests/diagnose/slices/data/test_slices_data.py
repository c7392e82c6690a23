"""Data slices: the broad predicate of the failing skill is chosen, or none."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from diagnose.rows.ngrams import word_grams
from diagnose.slices.data.find import DataJoin, FailingItems, find_data_slices
from diagnose.slices.data.parts import ScoredPart, ScoredParts
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice, SliceTable

PRIMITIVES = ("walk", "run", "look", "jump")
MODIFIERS = ("left", "right", "twice", "thrice", "around")


def table(texts: list[str], **fields: list[str]) -> SliceTable:
    columns = {name: np.array(values, dtype=object) for name, values in fields.items()}
    return SliceTable(tuple(f" {text} " for text in texts), columns, ("",) * len(texts))


def command(rng: np.random.Generator, primitives: tuple[str, ...] = PRIMITIVES) -> str:
    def phrase() -> str:
        return " ".join([primitives[rng.integers(len(primitives))], *rng.permutation(MODIFIERS)[: rng.integers(0, 3)]])

    return f"{phrase()} and {phrase()}" if rng.random() < 0.6 else phrase()


def find(
    failing: Slice,
    in_slice: NDArray[np.bool_],
    items: SliceTable,
    rows: SliceTable,
    effect: NDArray[np.float64],
    *,
    num_corpus: int,
    part_rows: int = 10**6,
) -> DataJoin:
    """The rows in parts of at most `part_rows`; every row is scored, cosine and effect are the same."""

    def read() -> Iterator[ScoredPart]:
        for side in (range(num_corpus), range(num_corpus, len(rows))):
            for start in range(side.start, side.stop, part_rows):
                chosen = slice(start, min(start + part_rows, side.stop))
                scores = effect[chosen, None].astype(np.float32)
                fields = {name: values[chosen] for name, values in rows.fields.items()}
                yield ScoredPart(
                    table=SliceTable(rows.texts[chosen], fields, rows.answers[chosen]),
                    in_pool=start >= num_corpus,
                    scored=np.arange(len(scores)),
                    order=np.arange(len(rows))[chosen],
                    effect=scores,
                    retrieval=scores,
                    losses=np.concatenate([np.full_like(scores, 3.0), -scores], axis=1),
                )

    parts = ScoredParts(num_corpus, len(rows) - num_corpus, len(rows), read)
    return find_data_slices([FailingItems(failing, in_slice)], items, parts)[0]


def scan(seed: int, num_rows: int = 3000) -> tuple[SliceTable, SliceTable, NDArray[np.bool_], NDArray[np.bool_]]:
    """Items with task, rows, which items and which rows contain `jump`."""
    rng = np.random.default_rng(seed)
    prompts = [command(rng) for _ in range(600)]
    rows = [command(rng) for _ in range(num_rows)]
    jumps = np.array(["jump" in text.split() for text in prompts])
    items = table(prompts, task=["scan_jump" if j else "scan_others" for j in jumps])
    row_jumps = np.array(["jump" in text.split() for text in rows])
    return items, table(rows, source=["train.jsonl"] * num_rows), jumps, row_jumps


def test_scan_joins_the_failing_task_to_all_rows_with_the_word_jump() -> None:
    items, rows, jumps, row_jumps = scan(0)
    rng = np.random.default_rng(0)
    # Rows that look most like the failures score highest, as they do in truth: `jump twice` above `jump`.
    twice = np.array(["jump twice" in text for text in rows.texts])
    effect = 0.5 * row_jumps + 1.0 * twice + rng.normal(0, 1, len(rows))
    found = find(Slice((("task", "scan_jump"),)), jumps, items, rows, effect, num_corpus=2000)
    best = found.slices[0]
    assert best.slice == Slice(((PROMPT_CONTAINS, "jump"),))
    assert found.coverage == 1.0
    assert best.num_examples == row_jumps[:2000].sum()
    assert best.num_pool == row_jumps[2000:].sum()


def test_the_data_slices_do_not_depend_on_the_parts_that_rows_are_read_in() -> None:
    items, rows, jumps, row_jumps = scan(0)
    effect = 0.5 * row_jumps + np.random.default_rng(0).normal(0, 1, len(rows))
    whole, cut = (
        find(Slice((("task", "scan_jump"),)), jumps, items, rows, effect, num_corpus=2000, part_rows=size)
        for size in (10**6, 171)
    )
    assert [data.slice for data in cut.slices] == [data.slice for data in whole.slices]
    assert [data.num_pool for data in cut.slices] == [data.num_pool for data in whole.slices]
    np.testing.assert_allclose([d.effect for d in cut.slices], [d.effect for d in whole.slices], rtol=1e-9)
    np.testing.assert_allclose([d.ci.low for d in cut.slices], [d.ci.low for d in whole.slices], rtol=1e-9)


def test_the_only_file_of_the_pool_is_no_data_slice_though_all_that_helps_stands_in_it() -> None:
    items, rows, _, row_jumps = scan(3)
    in_pool = np.arange(len(rows)) >= 2000
    sides = ["more.jsonl" if pool else "train.jsonl" for pool in in_pool]
    rows = SliceTable(rows.texts, {"source": np.array(sides, dtype=object)}, rows.answers)
    effect = np.where(in_pool & row_jumps, 3.0, np.where(in_pool, 1.0, 0.0)) + np.random.default_rng(0).normal(
        0, 0.1, 3000
    )
    everything = np.ones(len(items), bool)
    found = find(Slice((("task", "all"),)), everything, items, rows, effect, num_corpus=2000)
    assert found.slices
    assert all(key != "source" for data in found.slices for key, _ in data.slice.conditions)


def test_every_source_is_listed_with_the_effect_of_its_rows_the_most_harmful_first() -> None:
    items, rows, jumps, _ = scan(4)
    sides = np.arange(len(rows)) % 3
    rows = SliceTable(rows.texts, {"source": np.array(["books", "web", "math"], dtype=object)[sides]}, rows.answers)
    effect = np.array([1.0, -2.0, 0.0])[sides] + np.random.default_rng(0).normal(0, 0.1, len(rows))
    found = find(Slice(()), jumps, items, rows, effect, num_corpus=len(rows)).sources
    assert [source.slice for source in found] == [Slice((("source", name),)) for name in ("web", "math", "books")]
    assert [source.effect for source in found] == pytest.approx([-1.0, 0.0, 0.5], abs=0.02)


def test_effects_are_means_as_a_fraction_of_the_largest() -> None:
    items, rows, jumps, row_jumps = scan(1)
    effect = np.where(row_jumps, 2.0, -0.5) + np.random.default_rng(0).normal(0, 0.1, len(rows))
    found = find(Slice(()), jumps, items, rows, effect, num_corpus=2000)
    largest = max(abs(data.effect) for data in found.slices)
    assert largest == pytest.approx(1.0)
    assert all(data.ci.low <= data.effect <= data.ci.high for data in found.slices)
    jump = next(data for data in found.slices if data.slice == Slice(((PROMPT_CONTAINS, "jump"),)))
    half = 1.96 * effect[row_jumps].std(ddof=1) / np.sqrt(row_jumps.sum()) / effect[row_jumps].mean()
    assert jump.ci.high - jump.effect == pytest.approx(half * jump.effect, rel=1e-3)
    assert jump.losses == pytest.approx((3.0, -effect[row_jumps].mean()), rel=1e-5)  # one for each checkpoint


def test_a_field_of_items_and_rows_is_joined_by_its_value() -> None:
    rng = np.random.default_rng(2)
    skills = ["add", "sort", "reverse", "count"]
    item_skills = [skills[k] for k in rng.integers(0, 4, 400)]
    row_skills = [skills[k] for k in rng.integers(0, 4, 2000)]
    items = table([f"q {rng.integers(99)}" for _ in item_skills], skill=item_skills, task=item_skills)
    rows = table([f"q {rng.integers(99)}" for _ in row_skills], skill=row_skills, source=["s"] * 2000)
    in_slice = np.array(item_skills) == "sort"
    effect = (np.array(row_skills) == "sort") + rng.normal(0, 2, 2000)
    found = find(Slice((("task", "sort"),)), in_slice, items, rows, effect, num_corpus=1500)
    assert found.slices[0].slice == Slice((("skill", "sort"),))


def test_a_skill_without_any_row_still_has_a_data_slice_of_no_rows() -> None:
    items, rows, jumps, row_jumps = scan(3)
    rest = np.flatnonzero(~row_jumps)
    without = table([rows.texts[i].strip() for i in rest], source=["s"] * len(rest))
    effect = np.random.default_rng(0).normal(size=len(rest))
    found = find(Slice(()), jumps, items, without, effect, num_corpus=len(rest))
    assert found.slices[0].slice == Slice(((PROMPT_CONTAINS, "jump"),))
    assert (found.slices[0].num_examples, found.slices[0].effect) == (0, 0.0)


def test_what_attribution_does_not_confirm_is_not_a_data_slice() -> None:
    items, rows, jumps, row_jumps = scan(4)
    effect = np.where(row_jumps, -0.5, 0.5) + np.random.default_rng(0).normal(size=len(rows))
    found = find(Slice(()), jumps, items, rows, effect, num_corpus=2000)
    assert Slice(((PROMPT_CONTAINS, "jump"),)) not in [data.slice for data in found.slices]
    assert found.slices == ()
    assert found.unconfirmed == Slice(((PROMPT_CONTAINS, "jump"),))


def test_without_a_shared_predicate_the_words_of_top_rows_are_confirmed_on_other_rows() -> None:
    rng = np.random.default_rng(5)
    items = table([f"frage {rng.integers(10**6)}" for _ in range(200)], task=["a", "b"] * 100)
    in_slice = np.array([True, False] * 100)
    texts = [command(rng) for _ in range(3000)]
    thrice = np.array(["thrice" in text.split() for text in texts])
    effect = 1.5 * thrice + rng.normal(0, 1, 3000)
    found = find(Slice((("task", "a"),)), in_slice, items, table(texts, source=["s"] * 3000), effect, num_corpus=3000)
    assert found.slices[0].slice == Slice(((PROMPT_CONTAINS, "thrice"),))
    assert found.coverage is None


def test_noise_alone_gives_no_data_slice() -> None:
    rng = np.random.default_rng(6)
    items = table([f"frage {rng.integers(10**6)}" for _ in range(200)], task=["a", "b"] * 100)
    in_slice = np.array([True, False] * 100)
    num_false = 0
    for _ in range(20):
        texts = [command(rng) for _ in range(1500)]
        rows = table(texts, source=["s"] * 1500, group=[str(g) for g in rng.integers(0, 20, 1500)])
        found = find(Slice(()), in_slice, items, rows, rng.normal(size=1500), num_corpus=1500)
        num_false += bool(found.slices)
    assert num_false <= 1


def test_runs_of_words_are_those_of_a_slow_loop() -> None:
    rng = np.random.default_rng(7)
    texts = ["", *(command(rng) for _ in range(60)), "walk"]
    grams = word_grams(texts, 3)
    slow: dict[str, set[int]] = {}
    for index, text in enumerate(texts):
        words = text.split()
        for gram in [*words, *(f"{a} {b}" for a, b in pairwise(words))]:
            slow.setdefault(gram, set()).add(index)
    slow = {gram: found for gram, found in slow.items() if len(found) >= 3}
    dense = grams.holds.toarray()
    assert {g: set(np.flatnonzero(dense[:, i]).tolist()) for i, g in enumerate(grams.grams)} == slow
