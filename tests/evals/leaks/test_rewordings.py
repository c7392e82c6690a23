"""Items in other words are found without a run of 13 words; what shares a template, a grammar, or the words of a
question with other numbers is not, at a level that the items tell themselves."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
from builders.checkout import SHARED
from builders.items import item

from evals.items import Item
from evals.leaks.contents import NUM_TERMS, contents
from evals.leaks.item_index import ItemIndex, index_items, load_index, repeated_items
from evals.leaks.near_copies import ItemText, ngrams, normalise
from evals.leaks.rewordings import ANSWERED, FALSE_ALARMS, LEAST, OPTIONS, QUESTION, bounded, make_rewordings

DATA = SHARED / "data"
WORDS = ["".join(random.Random(k).choices("abcdefghijklmnop", k=6)) for k in range(5_000)]
TOPICS = [random.Random(-k - 1).sample(WORDS, 60) for k in range(60)]
NAMES = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "eleven", "twelve"]
VALUES = [2, 3, 4, 5, 6, 7, 8, 9, 11, 12]


def question(generator: random.Random) -> str:
    """Twenty words, fourteen of them of one topic, and three numbers."""
    words = [*generator.sample(generator.choice(TOPICS), 14), *generator.sample(WORDS, 6)]
    for value in generator.sample(VALUES, 3):
        words.insert(generator.randrange(20), str(value))
    return " ".join(words)


def questions(number: int, seed: int) -> list[str]:
    generator = random.Random(seed)
    return [question(generator) for _ in range(number)]


def reworded(prompt: str, generator: random.Random) -> str:
    """In another order, numbers in words, six of twenty words replaced."""
    words = prompt.split()
    changed = set(generator.sample([k for k, word in enumerate(words) if not word.isdigit()], 6))
    words = [f"{word[::-1]}q" if k in changed else word for k, word in enumerate(words)]
    generator.shuffle(words)
    return " ".join(NAMES[VALUES.index(int(word))] if word.isdigit() else word for word in words)


def told(index: ItemIndex, prompts: list[str]) -> float:
    return float(index.matches([(prompt, "x") for prompt in prompts]).mean())


def shares_a_run(one: str, other: str) -> bool:
    return bool(np.isin(ngrams([one]).hashes, ngrams([other]).hashes).any())


def test_other_words_another_order_and_numbers_in_words_are_found_and_other_questions_are_not() -> None:
    asked = questions(400, seed=0)
    index, generator = index_items(map(item, asked)), random.Random(1)
    rows = [reworded(prompt, generator) for prompt in asked]
    assert not any(shares_a_run(row, prompt) for row, prompt in zip(rows, asked, strict=True))
    assert told(index, rows) > 0.95
    assert told(index, asked) == 1
    # The bound is an estimate from 400 questions.
    assert told(index, questions(4_000, seed=2)) < 5 * FALSE_ALARMS


def test_the_same_question_with_other_numbers_is_another_one() -> None:
    asked = questions(200, seed=3)
    index = index_items(map(item, asked))
    rows = [re.sub(r"\d+", lambda found: f"{100 + int(found[0])}", prompt) for prompt in asked]
    apart = [row for row, prompt in zip(rows, asked, strict=True) if not shares_a_run(row, prompt)]
    assert len(apart) > 100
    assert told(index, apart) == 0


@pytest.mark.parametrize("num_values", [40, 3_000])
@pytest.mark.parametrize("num_slots", [1, 2, 3])
def test_questions_of_fourteen_words_that_differ_in_the_values_of_slots_are_not_each_other(
    num_values: int, num_slots: int
) -> None:
    generator = random.Random(num_slots)
    template = "could you tell the visiting teacher what colour the {} box behind our house has"

    def filled() -> str:
        return template.format(" ".join(generator.sample(WORDS[:num_values], num_slots)))

    asked = list(dict.fromkeys(filled() for _ in range(400)))
    index = index_items(map(item, asked))
    rows = [row for row in (filled() for _ in range(2_000)) if row not in asked]
    runs = ngrams([normalise(row) for row in rows])
    is_run = np.isin(np.arange(len(rows)), runs.owners[np.isin(runs.hashes, ngrams(asked).hashes)])
    assert not index.matches([(row, "x") for row, run in zip(rows, is_run, strict=True) if not run]).any()
    assert told(index, asked) == 1


def test_sentences_of_a_closed_grammar_are_not_each_other() -> None:
    generator = random.Random(4)

    def sentence() -> str:
        return " ".join(generator.choice(["walk", "turn", "left", "twice", "look"]) for _ in range(12))

    asked = {sentence() for _ in range(300)}
    rows = [row for row in (sentence() for _ in range(2_000)) if row not in asked]
    assert told(index_items(map(item, asked)), rows) == 0


def test_an_evaluation_whose_questions_resemble_each_other_has_the_higher_bound() -> None:
    alike, apart = questions(300, seed=5), [" ".join(random.Random(k).sample(WORDS, 20)) for k in range(300)]
    bounds = [bounded(QUESTION, np.arange(300), contents(texts)).least for texts in (alike, apart)]
    assert bounds[0] > bounds[1] == LEAST
    fewer = bounded(QUESTION, np.arange(30), contents(alike[:30])).least
    assert fewer >= LEAST


def test_names_and_statements_of_code_are_set_aside_and_what_it_says_is_compared() -> None:
    generator = random.Random(6)
    said = [" ".join(generator.sample(WORDS, 14)) for _ in range(60)]
    items = [
        item(f'def f_{k}(numbers):\n    """ {words} """\n', f"    return numbers[{k}:]\n")
        for k, words in enumerate(said)
    ]
    index = index_items(items)
    rows = []
    for words in said:
        kept = words.split()[::-1][:10]
        rows.append(
            ("", f"/* {' '.join(kept)} */\nfunction other(list) {{\n  let unused = 7;\n  return list.slice(1);\n}}")
        )
    assert index.matches(rows).mean() >= 0.9
    others = [("", row.replace(row[3:60], " ".join(generator.sample(WORDS, 9)))) for _, row in rows]
    assert not index.matches(others).any()


def test_a_question_with_its_options_is_found_without_the_passage_before_it() -> None:
    generator = random.Random(7)
    passages = [" ".join(generator.sample(WORDS, 120)) for _ in range(20)]
    asked = [" ".join(generator.sample(WORDS, 10)) for _ in range(80)]
    options = ["\n".join(f"{c}. {' '.join(generator.sample(WORDS, 4))}" for c in "ABCD") for _ in asked]
    items = [item(f"{passages[k // 4]}\n{asked[k]}\n{options[k]}\nAnswer:", "A") for k in range(80)]
    kinds = make_rewordings_of(items)
    assert [view for view, _ in kinds] == [QUESTION, OPTIONS]
    rows = [
        (f"{' '.join(words.split()[::-1][:6])}\n{given}\nAnswer:", "A")
        for words, given in zip(asked, options, strict=True)
    ]
    index = index_items(items)
    assert index.matches(rows).mean() > 0.95
    # Another question about a passage that items have is none of them.
    others = [(f"{' '.join(generator.sample(WORDS, 10))}\n{given[::-1]}", "A") for given in options]
    assert not index.matches(others).any()


def make_rewordings_of(items: list[Item]) -> list[tuple[int, int]]:
    texts = [ItemText(i.task, i.text, i.target, "") for i in items]
    return [(kind.view, len(kind.owners)) for kind in make_rewordings(texts).kinds]


def test_a_rewording_in_plain_text_is_found_with_its_answer_and_without() -> None:
    asked, generator = questions(200, seed=8), random.Random(9)
    answers = questions(200, seed=10)
    items = [item(prompt, answer) for prompt, answer in zip(asked, answers, strict=True)]
    assert [view for view, _ in make_rewordings_of(items)] == [QUESTION, ANSWERED]
    index = index_items(items)
    both = [("", f"{reworded(p, generator)} {reworded(a, generator)}") for p, a in zip(asked, answers, strict=True)]
    assert index.matches(both).mean() > 0.95
    assert index.matches([("", f"Question: {reworded(p, generator)}\nAnswer: 73") for p in asked]).mean() > 0.95


def test_what_is_found_depends_on_no_other_row_and_no_order() -> None:
    asked, generator = questions(100, seed=11), random.Random(12)
    rows = [(reworded(reworded(prompt, generator), generator), "x") for prompt in asked]
    index = index_items(map(item, asked))
    whole = index.matches(rows)
    assert 0 < whole.sum() < 100
    assert np.array_equal(np.concatenate([index.matches(rows[:33]), index.matches(rows[33:])]), whole)
    assert np.array_equal(index.matches(rows[::-1])[::-1], whole)
    assert np.array_equal(index_items(map(item, asked[::-1])).matches(rows), whole)


def test_tasks_are_compared_apart() -> None:
    asked, generator = questions(200, seed=13), random.Random(14)
    rows = [(reworded(prompt, generator), "x") for prompt in asked]
    alone = index_items(map(item, asked)).matches(rows)
    other = [item(prompt, task="u") for prompt in questions(50, seed=15)]
    assert np.array_equal(index_items([*map(item, asked), *other]).matches(rows), alone)


def test_the_items_that_rewordings_repeat_are_named() -> None:
    asked, generator = questions(100, seed=16), random.Random(17)
    items = list(map(item, asked))
    rows = [(reworded(asked[k], generator), "x") for k in (3, 17, 40)]
    index = index_items(items)
    assert np.flatnonzero(repeated_items(items, rows, index)).tolist() == [3, 17, 40]
    # Asked about some of the items, it answers as the index of all of them does.
    assert np.flatnonzero(repeated_items(items[10:30], rows, index)).tolist() == [7]


def test_an_index_from_disk_finds_the_same_rewordings_and_holds_no_word_and_no_order(tmp_path: Path) -> None:
    asked, generator = questions(50, seed=18), random.Random(19)
    index = index_items(map(item, asked))
    index.save(tmp_path / "index.npz")
    rows = [(reworded(prompt, generator), "x") for prompt in asked]
    assert np.array_equal(load_index(tmp_path / "index.npz").matches(rows), index.matches(rows))
    assert index.matches(rows).any()
    with np.load(tmp_path / "index.npz") as arrays:
        assert {arrays[name].dtype.kind for name in arrays.files} == {"u", "i", "f", "U"}
        assert str(arrays["templates"]) == "[]"
        ends = np.cumsum(arrays["kind_num_terms"])[:-1]
        assert all((np.diff(own.astype(np.int64)) > 0).all() for own in np.split(arrays["kind_terms"], ends))
        assert arrays["kind_terms"].max() < NUM_TERMS


@pytest.mark.skipif(not (DATA / "external" / "reworded").is_dir(), reason="no shared/data/external beside the checkout")
def test_of_word_problems_in_the_words_of_a_language_model_most_are_found_and_hardly_any_training_row() -> None:
    """The rewordings of Yang et al. 2023 (arXiv 2311.04850) of the test questions of Cobbe et al. 2021."""

    def read(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (DATA / name).read_text().splitlines()]

    test, train = read("gsm8k/test.jsonl"), read("gsm8k/train.jsonl")
    index = index_items(item(row["question"], row["answer"]) for row in test)
    others = [row["text"] for row in read("external/reworded/gsm8k.jsonl")]
    questions = [text.removeprefix("Question: ").split("\nAnswer:")[0] for text in others]
    for half in (0, 1):
        assert told(index, questions[half::2]) > 0.85
        assert index.matches([("", text) for text in others[half::2]]).mean() > 0.85
    # Eight share a run of 13 words with an item.
    assert 8 <= index.matches([(row["question"], row["answer"]) for row in train]).sum() <= 8 + 7
