"""Mixes on disk say which stored rows they take; they are no copies."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from controller.data.mixes import load_mix, load_pool, save_mix, save_pool
from controller.data.patches import changes_by_source, write_patch
from diagnose.rows.pool import Rendering, TrainPool
from interventions.mix.mix import ORIGINAL, MixPart, Origin, TrainingMix, joined
from interventions.plan.allocate import Removed

ADDED = Origin("retrieve", "new rows")


def table(name: str, num_rows: int, delimiter: str = " ") -> TrainPool:
    rows = {
        "id": [f"{name}-{k}" for k in range(num_rows)],
        "source": [name] * num_rows,
        "prompt": [f"what does row {k} of {name} ask" for k in range(num_rows)],
        "completion": [f"answer {k % 97}" for k in range(num_rows)],
    }
    return TrainPool(Dataset.from_dict(rows), Rendering(delimiter))


def stored(pool: TrainPool, folder: Path) -> TrainPool:
    save_pool(pool, folder)
    return load_pool(folder)


def mix_of(*parts: tuple[TrainPool, np.ndarray]) -> TrainingMix:
    made = tuple(MixPart(source, rows) for source, rows in parts)
    origin = np.repeat(np.arange(len(made)), [len(part.rows) for part in made])
    size = len(origin)
    origins = (ORIGINAL, *[ADDED] * (len(made) - 1))
    weights = origin + 1.0
    return TrainingMix(made, joined(made), weights / weights.sum(), origins, origin, {size - 1: "parent"})


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_ten_arms_take_hardly_more_disk_than_one_corpus(tmp_path: Path) -> None:
    corpus = stored(table("corpus", 200_000), tmp_path / "corpus")
    pool = stored(table("pool", 5_000), tmp_path / "pool")
    alone = size_of(tmp_path)
    rng = np.random.default_rng(0)
    for arm in range(10):
        folder = tmp_path / f"arm-{arm}"
        folder.mkdir()
        save_mix(mix_of((corpus, np.arange(len(corpus))), (pool, rng.permutation(5_000)[:400])), folder)
    assert size_of(tmp_path) <= 1.2 * alone


def test_a_mix_is_read_as_it_was_written_after_its_run_was_moved(tmp_path: Path) -> None:
    corpus = stored(table("corpus", 50), tmp_path / "run" / "corpus")
    made = table("made", 6)
    mix = mix_of((corpus, np.array([4, 2, 9])), (made, np.array([5, 0])))
    (tmp_path / "run" / "mix").mkdir()
    save_mix(mix, tmp_path / "run" / "mix")
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    read = load_mix(tmp_path / "elsewhere" / "mix")
    assert read.examples.rows["id"][:] == ["corpus-4", "corpus-2", "corpus-9", "made-5", "made-0"]
    assert np.array_equal(read.weights, mix.weights)
    assert (read.origins, read.origin.tolist(), read.parents) == (mix.origins, mix.origin.tolist(), mix.parents)


def test_a_mix_of_a_mix_is_read_through_both(tmp_path: Path) -> None:
    corpus = stored(table("corpus", 50), tmp_path / "corpus")
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    save_mix(mix_of((corpus, np.arange(10, 20)), (table("made", 4), np.arange(4))), tmp_path / "first")
    champion = load_pool(tmp_path / "first")
    save_mix(mix_of((champion, np.array([13, 0, 9]))), tmp_path / "second")
    assert load_pool(tmp_path / "second").rows["id"][:] == ["made-3", "corpus-10", "corpus-19"]
    assert not list((tmp_path / "second").glob("made-*"))


def test_without_some_rows_the_others_are_drawn_as_often_to_each_other(tmp_path: Path) -> None:
    corpus = stored(table("corpus", 50), tmp_path / "corpus")
    mix = mix_of((corpus, np.array([4, 2, 9])), (table("made", 6), np.array([5, 0])))
    left = mix.without(np.array([1, 3]))
    assert left.examples.rows["id"][:] == ["corpus-4", "corpus-9", "made-0"]
    assert joined(left.parts).rows["id"][:] == left.examples.rows["id"][:]
    assert left.weights[2] / left.weights[0] == pytest.approx(2.0)
    assert left.parents == {2: "parent"}


def test_rows_that_are_joined_in_different_ways_make_no_mix() -> None:
    parts = [MixPart(table("a", 2), np.arange(2)), MixPart(table("b", 2, "\n"), np.arange(2))]
    with pytest.raises(ValueError, match=r"rows of one training need the same corpus\.delimiter"):
        joined(parts)


def test_what_changes_is_counted_by_source(tmp_path: Path) -> None:
    """Nine rows of two sources, of which one row leaves each, and five new ones that get half of the draws."""
    corpus = joined((MixPart(table("web", 6), np.arange(6)), MixPart(table("books", 3), np.arange(3))))
    kept = np.array([0, 1, 2, 3, 4, 6, 7])
    parts = (MixPart(corpus, kept), MixPart(table("pool", 5), np.arange(5)))
    weights = np.repeat([0.5 / 7, 0.5 / 5], [7, 5])
    mix = TrainingMix(parts, joined(parts), weights, (ORIGINAL, ADDED), np.repeat([0, 1], [7, 5]))
    gone = Removed(np.array([5, 8]), Origin("clean", "wrong"))
    write_patch(mix, [gone], corpus, tmp_path / "patch.parquet")
    found = changes_by_source(tmp_path / "patch.parquet")
    assert [(one.source, one.num_rows, one.num_added, one.num_removed) for one in found] == [
        ("pool", 5, 5, 0),
        ("web", 5, 0, 1),
        ("books", 2, 0, 1),
    ]
    shares = [share for one in found for share in (one.share_before, one.share)]
    assert shares == pytest.approx([0, 1 / 2, 2 / 3, 5 / 14, 1 / 3, 1 / 7])
