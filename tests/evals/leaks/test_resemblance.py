"""Signatures estimate the similarity that sets of runs have, and texts are only compared where that means anything."""

import random

import numpy as np
import pytest

from evals.leaks.resemblance import NUM_HASHES, RUN, band_keys, is_long, is_open, short_runs, signatures, similarity


def texts(number: int, num_words: int, seed: int = 0) -> list[list[str]]:
    """Of words that are all different."""
    generator = random.Random(seed)
    return [[f"w{k}" for k in generator.sample(range(100_000), num_words)] for _ in range(number)]


def changed(words: list[str], every: int) -> str:
    """With a word of its own in the middle of each stretch of so many."""
    return " ".join(f"{word}x" if k % every == every // 2 else word for k, word in enumerate(words))


def signed(normal: list[str], salts: list[str] | None = None) -> np.ndarray:
    return signatures(short_runs(normal, salts or [""] * len(normal)))


@pytest.mark.parametrize(("every", "num_changed"), [(61, 1), (30, 2), (20, 3), (10, 6), (6, 10)])
def test_the_estimate_is_the_jaccard_similarity_within_its_standard_error(every: int, num_changed: int) -> None:
    num_pairs, num_runs = 400, 60 - RUN + 1
    exact = (num_runs - RUN * num_changed) / (num_runs + RUN * num_changed)
    ones = texts(num_pairs, 60)
    found = similarity(signed([" ".join(words) for words in ones]), signed([changed(words, every) for words in ones]))
    stderr = np.sqrt(exact * (1 - exact) / NUM_HASHES)
    assert abs(found.mean() - exact) < 4 * stderr / np.sqrt(num_pairs)
    assert found.std() == pytest.approx(stderr, rel=0.15)


def test_unrelated_texts_and_texts_of_other_salts_agree_in_nothing() -> None:
    normal = [" ".join(words) for words in texts(50, 40)]
    one = signed(normal)
    assert similarity(one, signed(normal)).min() == 1
    assert similarity(one, np.roll(one, 1, axis=0)).max() == 0
    assert similarity(one, signed(normal, ["salt"] * 50)).max() == 0


def test_bands_agree_as_often_as_their_width_says() -> None:
    ones, width = texts(2_000, 60), 3
    exact = (58 - 18) / (58 + 18)
    keys = [
        band_keys(signed([" ".join(words) for words in ones]), width),
        band_keys(signed([changed(w, 10) for w in ones]), width),
    ]
    assert keys[0].shape == (2_000, NUM_HASHES // width)
    share = (keys[0] == keys[1]).mean()
    assert share == pytest.approx(exact**width, abs=0.01)
    met = (keys[0] == keys[1]).any(axis=1).mean()
    assert met == pytest.approx(1 - (1 - exact**width) ** (NUM_HASHES // width), abs=0.02)
    assert len(np.unique(keys[0])) == keys[0].size  # equal numbers in two bands are not one key


def test_a_signature_is_that_of_the_text_whatever_stands_beside_it() -> None:
    normal = [" ".join(words) for words in texts(20, 30)]
    assert np.array_equal(signed(normal)[::-1], signed(normal[::-1]))
    assert np.array_equal(signed(normal)[7:], signed(normal[7:]))


def test_texts_of_fewer_than_13_words_have_no_runs() -> None:
    words = texts(1, 13)[0]
    assert [is_long(" ".join(words[:k])) for k in (12, 13)] == [False, True]
    short, long = " ".join(words[:12]), " ".join(words)
    runs = short_runs([short, long], ["", ""])
    assert runs.owners.tolist() == [1] * 11


def test_a_vocabulary_is_open_from_500_words() -> None:
    assert not is_open([f"w{k} w{k + 1}" for k in range(498)])
    assert is_open([f"w{k} w{k + 1}" for k in range(499)])
