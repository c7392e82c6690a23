"""Long items in other words are found without a run of 13 words; what only shares a template or asks with other numbers
is not."""

import random
from pathlib import Path

import numpy as np
import pytest

from evals.index import index_items, load_index, repeated_items
from evals.items import Item, OutputType
from evals.near_copies import ItemText, ngrams
from evals.rewordings import make_rewordings

WORDS = ["".join(random.Random(k).choices("abcdefghijklmnop", k=6)) for k in range(5_000)]


def item(prompt: str, target: str = "yes", task: str = "t") -> Item:
    return Item(task, "0-0", "0", {}, prompt, target, " ", OutputType.GENERATE_UNTIL)


def prompts(number: int, seed: int = 0) -> list[str]:
    """Sixty words that are all different."""
    generator = random.Random(seed)
    return [" ".join(generator.sample(WORDS, 60)) for _ in range(number)]


def reworded(prompt: str, every: int) -> str:
    """With a word of its own in the middle of each stretch of so many."""
    return " ".join(f"{word}q" if k % every == every // 2 else word for k, word in enumerate(prompt.split()))


def shares_a_run(one: str, other: str) -> bool:
    return bool(np.isin(ngrams([one]).hashes, ngrams([other]).hashes).any())


def test_every_twelfth_word_changed_leaves_no_run_of_13_and_is_found_and_every_sixth_is_not() -> None:
    asked = prompts(200)
    index = index_items(map(item, asked))
    rows = [(reworded(prompt, 12), "x") for prompt in asked]
    assert not any(shares_a_run(row, prompt) for (row, _), prompt in zip(rows, asked, strict=True))
    # 43 of 73 runs of three words stay: .59, estimated with a standard error of .06.
    assert index.matches(rows).mean() > 0.85
    # 28 of 88: .32, three standard errors below.
    assert index.matches([(reworded(prompt, 6), "x") for prompt in asked]).mean() < 0.03
    assert not index.matches([(prompt, "x") for prompt in prompts(200, seed=1)]).any()


def test_the_two_halves_changed_about_are_found() -> None:
    asked = [" ".join(prompt.split()[:24]) for prompt in prompts(50)]
    rows = [(" ".join([*prompt.split()[12:], *prompt.split()[:12]]), "x") for prompt in asked]
    assert not any(shares_a_run(row, prompt) for (row, _), prompt in zip(rows, asked, strict=True))
    assert index_items(map(item, asked)).matches(rows).mean() > 0.95


def with_numbers(prompt: str, first: int) -> str:
    """With a number for every twelfth word."""
    return " ".join(f"{first + k}" if k % 12 == 0 else word for k, word in enumerate(prompt.split()))


def test_the_same_question_with_other_numbers_is_another_one() -> None:
    asked = prompts(100)
    index = index_items(item(with_numbers(prompt, 100)) for prompt in asked)
    # Both keep 43 of 73 runs of three words.
    assert index.matches([(reworded(with_numbers(prompt, 100), 12), "x") for prompt in asked]).mean() > 0.85
    assert not index.matches([(with_numbers(prompt, 300), "x") for prompt in asked]).any()


def test_a_rewording_in_plain_text_is_found_with_its_answer() -> None:
    asked = prompts(60)
    answers = [" ".join(prompt.split()[20:60]) for prompt in prompts(60, seed=2)]
    index = index_items(item(prompt, answer) for prompt, answer in zip(asked, answers, strict=True))
    rows = [("", f"{reworded(p, 12)} {reworded(a, 12)}") for p, a in zip(asked, answers, strict=True)]
    assert index.matches(rows).mean() > 0.85


def test_a_template_that_items_share_makes_no_row_a_rewording() -> None:
    generator = random.Random(3)
    template = generator.sample(WORDS, 40)

    def filled() -> str:
        own = ["".join(generator.choices("rstuvw", k=7)) for _ in range(20)]
        return " ".join(w for k in range(20) for w in (*template[2 * k : 2 * k + 2], own[k]))

    def headed() -> str:
        return " ".join([*template, *generator.sample(WORDS, 20), *template[:10]])

    for make in (filled, headed):
        index = index_items(item(make()) for _ in range(300))
        assert not index.matches([(make(), "x") for _ in range(1_000)]).any()


def test_closed_grammars_and_short_items_have_no_signatures() -> None:
    generator = random.Random(4)
    closed = [" ".join(generator.choice(["walk", "turn", "left"]) for _ in range(40)) for _ in range(300)]
    short = [" ".join(prompt.split()[:12]) for prompt in prompts(300)]
    open_ones = prompts(20)
    texts = [
        ItemText(task, text, "", "")
        for task, several in (("closed", closed), ("short", short), ("open", open_ones))
        for text in several
    ]
    found = make_rewordings(texts)
    assert set(found.owners.tolist()) == set(range(600, 620))
    assert found.signed.dtype == np.uint32
    assert found.pairs([*short, *closed]).shape == (0, 2)
    assert make_rewordings([]).pairs(open_ones).shape == (0, 2)


def test_what_is_found_depends_on_no_other_row_and_no_order() -> None:
    asked = prompts(100)
    rows = [(reworded(prompt, 10), "x") for prompt in asked]
    index = index_items(map(item, asked))
    whole = index.matches(rows)
    assert 10 < whole.sum() < 100
    assert np.array_equal(np.concatenate([index.matches(rows[:33]), index.matches(rows[33:])]), whole)
    assert np.array_equal(index.matches(rows[::-1])[::-1], whole)
    assert np.array_equal(index_items(map(item, asked[::-1])).matches(rows), whole)


def test_the_items_that_rewordings_repeat_are_named() -> None:
    asked = prompts(50)
    items = list(map(item, asked))
    rows = [(reworded(asked[k], 15), "x") for k in (3, 17, 40)]
    assert np.flatnonzero(repeated_items(items, rows)).tolist() == [3, 17, 40]


def test_an_index_from_disk_finds_the_same_rewordings(tmp_path: Path) -> None:
    asked = prompts(50)
    index = index_items(map(item, asked))
    index.save(tmp_path / "index.npz")
    rows = [(reworded(prompt, 10), "x") for prompt in asked]
    assert np.array_equal(load_index(tmp_path / "index.npz").matches(rows), index.matches(rows))
    with np.load(tmp_path / "index.npz") as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} == {"u", "i", "U"}
        assert str(arrays["templates"]) == "[]"


@pytest.mark.parametrize("num_words", [29, 40, 60, 90])
def test_words_that_leave_a_similarity_of_eight_tenths_leave_a_run_of_13_words_too(num_words: int) -> None:
    """Why rewordings are told at .5."""
    generator = random.Random(num_words)
    for _ in range(200):
        words = generator.sample(WORDS, num_words)
        changed = list(words)
        while True:
            changed[generator.randrange(num_words)] = f"q{generator.random()}"
            runs = [{tuple(text[k : k + 3]) for k in range(num_words - 2)} for text in (words, changed)]
            if len(runs[0] & runs[1]) < 0.8 * len(runs[0] | runs[1]):
                break
            assert shares_a_run(" ".join(words), " ".join(changed))
