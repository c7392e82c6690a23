"""Near copies share a key; a slow twin with sets of words agrees with the hashed runs."""

import hashlib
import random
from itertools import combinations

import numpy as np
import pytest

from evals.leaks.near_copies import NUM_WORDS, ItemText, ngrams, normalise, split_keys
from evals.splits import Split, split_of


def texts_of(*texts: str, task: str = "t", target: str = "") -> list[ItemText]:
    return [ItemText(task, text, target, f"{number:04x}") for number, text in enumerate(texts)]


def words(generator: random.Random, num_words: int, vocabulary: int = 10_000) -> str:
    return " ".join(f"w{generator.randrange(vocabulary)}" for _ in range(num_words))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jump, twice!", "jump  twice"),
        ('He said: "don’t" (again).', "he said dont again"),
        ("well-known facts", "well known facts"),
        ("It costs 1.5 dollars.", "it costs 1.5 dollars"),
        ("naïve ﬁsh", "NAÏVE FISH"),
    ],
)
def test_case_space_and_punctuation_do_not_matter(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("5 - 3", "5 + 3"),
        ("5-3", "5/3"),
        ("2*3", "2-3"),
        ("1.5", "15"),
        ("1,2", "12"),
        ("( [ ] )", "( [ ) ]"),
        ("([])", "(()"),
    ],
)
def test_what_carries_meaning_between_numbers_and_brackets_stays(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_normalising_joins_over_a_space() -> None:
    generator = random.Random(0)
    for _ in range(2000):
        one, other = ("".join(generator.choices("ab1 .,-(‘é", k=6)) for _ in range(2))
        if any(c.isalnum() for c in one) and any(c.isalnum() for c in other):
            assert normalise(f"{one} {other}") == f"{normalise(one)} {normalise(other)}"


def test_hashed_runs_agree_with_sets_of_words() -> None:
    generator = random.Random(0)
    texts = [words(generator, generator.randrange(1, 30), vocabulary=2) for _ in range(60)]
    slow = {
        (tuple(text.split()[start : start + NUM_WORDS]), number)
        for number, text in enumerate(texts)
        for start in range(len(text.split()) - NUM_WORDS + 1)
    }
    runs = ngrams(texts)
    fast = set(zip(runs.hashes.tolist(), runs.owners.tolist(), strict=True))
    assert len(fast) == len(slow)
    for one, other in combinations(range(len(texts)), 2):
        shared = {run for run, owner in slow if owner == one} & {run for run, owner in slow if owner == other}
        hashed = {run for run, owner in fast if owner == one} & {run for run, owner in fast if owner == other}
        assert len(shared) == len(hashed)


def test_long_texts_that_share_a_run_of_13_words_share_a_key() -> None:
    generator = random.Random(0)
    run, texts = words(generator, 13), [words(generator, 20) for _ in range(30)]
    texts[4] = f"{words(generator, 3)} {run} {words(generator, 5)}"
    texts[9] = f"{words(generator, 7)} {run.upper().replace(' ', ', ')} {words(generator, 1)}"
    texts[12] = f"{words(generator, 7)} {' '.join(run.split()[:12])} {words(generator, 4)}"
    keys = split_keys(texts_of(*texts))
    assert keys[4] == keys[9] == "0004"
    assert len(set(keys)) == 29


def test_near_copies_of_near_copies_share_a_key_across_tasks() -> None:
    generator = random.Random(0)
    first, second = words(generator, 13), words(generator, 13)
    middle = ItemText("other", f"{first} {second}", "", "0002")
    ends = [ItemText("t", f"a b {first}", "", "0001"), ItemText("t", f"{second} c d", "", "0003")]
    assert split_keys([ends[0], middle, ends[1]]) == ["0001"] * 3
    assert split_keys(ends) == ["0001", "0003"]


def test_short_prompts_share_a_key_only_when_equal() -> None:
    verbs = ["walk", "run", "jump", "look"]
    commands = [f"{a} twice and {b} {c} left after {d}" for a in verbs for b in verbs for c in verbs for d in verbs]
    assert len(set(split_keys(texts_of(*commands)))) == len(commands) == 256
    repeated = split_keys(texts_of(*commands, commands[0].upper() + "!"))
    assert repeated[-1] == repeated[0] == "0000"


def test_a_template_does_not_make_items_near_copies() -> None:
    generator = random.Random(0)
    template = words(generator, 12)
    # Twelve words of template and three of content: runs of 13 that only a few items share.
    prompts = [f"{template} {words(generator, 3, vocabulary=60)} {template}" for _ in range(400)]
    distinct = list(dict.fromkeys(prompts))
    assert len(set(split_keys(texts_of(*distinct)))) == len(distinct)


def test_a_passage_in_more_than_a_hundredth_of_the_items_does_not_count() -> None:
    generator = random.Random(0)
    passage, rare = words(generator, 20), words(generator, 20)
    texts = [f"{words(generator, 2)} {passage} {words(generator, 2)}" for _ in range(30)]
    texts += [f"{words(generator, 2)} {rare} {words(generator, 2)}" for _ in range(3)]
    texts += [words(generator, 24) for _ in range(67)]
    keys = split_keys(texts_of(*texts))
    assert len(set(keys[:30])) == 30
    assert len(set(keys[30:33])) == 1


def test_a_question_that_all_items_share_leaves_them_apart() -> None:
    texts = [ItemText("t", "Which sentence is right?", f"sentence {i // 2}", f"{i:04x}") for i in range(100)]
    keys = split_keys(texts)
    assert len(set(keys)) == 50
    assert keys[::2] == keys[1::2]


def test_keys_do_not_depend_on_the_order_of_the_items() -> None:
    generator = random.Random(0)
    texts = texts_of(*[words(generator, 20, vocabulary=3) for _ in range(200)])
    keys = dict(zip([text.digest for text in texts], split_keys(texts), strict=True))
    generator.shuffle(texts)
    assert dict(zip([text.digest for text in texts], split_keys(texts), strict=True)) == keys


def test_splits_are_40_30_30_within_binomial_error() -> None:
    num_items = 20_000
    counts = dict.fromkeys(Split, 0)
    for key in split_keys(texts_of(*[f"item {i}" for i in range(num_items)])):
        counts[split_of(key)] += 1
    for split, share in [(Split.PROBE, 0.4), (Split.SELECT, 0.3), (Split.SEALED, 0.3)]:
        assert abs(counts[split] / num_items - share) < 4 * np.sqrt(share * (1 - share) / num_items)


def test_splits_are_the_same_in_every_process_whatever_the_seed() -> None:
    np.random.seed(3)
    random.seed(3)
    keys = ["0000", "0001", "0002", "0003", "0004", "0005", "0006", "0007"]
    # First byte of sha256("evalmend-split:0000") and so on, as a share of 256: below .4, below .7, above.
    firsts = [hashlib.sha256(f"evalmend-split:{key}".encode()).digest()[0] / 256 for key in keys]
    expected = ["probe" if first < 0.4 else "select" if first < 0.7 else "sealed" for first in firsts]
    assert [str(split_of(key)) for key in keys] == expected
