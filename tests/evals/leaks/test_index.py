"""The index finds planted copies of items of all splits, finds nothing else, and gives nothing away."""

import pickle
import random

import numpy as np
from builders.items import item

from evals.leaks.item_index import index_items, repeated_items


def words(generator: random.Random, num_words: int) -> str:
    return " ".join(f"w{generator.randrange(10_000)}" for _ in range(num_words))


COMMANDS = [f"{a} {b} and {c}" for a in ("walk", "run", "jump") for b in ("left", "right") for c in ("look", "turn")]


def test_planted_copies_are_found_in_every_form_and_nothing_else() -> None:
    items = [item(command, command.upper()) for command in COMMANDS[::2]]
    rows = [(command, "anything") for command in COMMANDS]
    found = index_items(items).matches(rows)
    assert found.tolist() == [True, False] * 6
    forms = [
        (f"  {COMMANDS[0].title()}!", "x"),
        ("", COMMANDS[0]),
        ("", f"{COMMANDS[0]}\n{COMMANDS[0].upper()}."),
        (COMMANDS[0].split()[0], " ".join(COMMANDS[0].split()[1:]) + " " + COMMANDS[0].upper()),
        ("", f"{COMMANDS[0]} something else"),
        (f"do {COMMANDS[0]}", "x"),
        ("", ""),
    ]
    assert index_items(items).matches(forms).tolist() == [True, True, True, True, False, False, False]


def test_a_long_item_is_found_inside_a_longer_row() -> None:
    generator = random.Random(0)
    prompts = [words(generator, 25) for _ in range(50)]
    index = index_items([item(prompt, "yes") for prompt in prompts])
    rows = [("", words(generator, 200)) for _ in range(100)]
    for place in (3, 70):
        inner = " ".join(prompts[place % 50].split()[5:18])
        rows[place] = ("", f"{words(generator, 40)} {inner} {words(generator, 40)}")
    rows[90] = (words(generator, 5), f"{words(generator, 5)} {' '.join(prompts[1].split()[:12])} x")
    assert np.flatnonzero(index.matches(rows)).tolist() == [3, 70]


def test_few_shot_examples_before_a_prompt_are_not_the_item() -> None:
    items = [item(f"walk left -> L\n{command}", "R", question=command) for command in COMMANDS]
    assert index_items(items).matches([("walk left -> L", "x"), (COMMANDS[5], "x")]).tolist() == [False, True]


def test_an_item_without_a_prompt_is_found_by_its_text() -> None:
    text = "the cat sat on the mat"
    index = index_items([item("", text)])
    rows = [("", "The cat sat on the mat."), ("the cat sat", "on the mat"), ("the cat", "sat")]
    assert index.matches(rows).tolist() == [True, True, False]


def test_a_worked_solution_is_found_under_another_question_too() -> None:
    generator = random.Random(1)

    def solution() -> str:
        return " ".join(f"word{generator.randrange(5_000)}" for _ in range(30))

    items = [item(words(generator, 20), solution()) for _ in range(60)]
    index = index_items(items)
    rows = [("What is this", items[3].target), ("What is this", solution())]
    assert index.matches(rows).tolist() == [True, False]
    assert np.flatnonzero(repeated_items(items, rows, index_items(items))).tolist() == [3]


def test_long_answers_of_a_closed_grammar_share_runs_and_are_no_copies() -> None:
    generator = random.Random(2)

    def actions() -> str:
        return " ".join(generator.choice(["I_WALK", "I_WALK I_TURN_LEFT"]) for _ in range(20))

    items = [item(f"command {i}", actions()) for i in range(300)]
    rows = [(f"order {i}", actions()) for i in range(300)]
    assert not index_items(items).matches(rows).any()


def test_a_question_that_all_items_share_blocks_only_its_answers() -> None:
    items = [item("Which is right?", f"answer {i}") for i in range(100)]
    rows = [("Which is right?", "answer 7"), ("Which is right?", "answer 100")]
    assert index_items(items).matches(rows).tolist() == [True, False]


def test_rows_are_judged_alike_in_any_partition_and_from_an_iterator() -> None:
    items = [item(command, "x") for command in COMMANDS[::3]]
    rows = [(COMMANDS[i % 12], "x") for i in range(20_000)]
    index = index_items(items)
    whole = index.matches(iter(rows))
    assert whole.tolist() == [i % 12 % 3 == 0 for i in range(20_000)]
    assert np.array_equal(np.concatenate([index.matches(rows[:7]), index.matches(rows[7:])]), whole)
    assert index.matches([]).shape == (0,)


def test_the_index_gives_no_item_away() -> None:
    generator = random.Random(0)
    items = [item(words(generator, 20), f"secret{i}", "hidden_task", id=f"{i:x}-0") for i in range(20)]
    index = index_items(items)
    assert repr(index) == "ItemIndex(20 items, 160 long runs)"
    content = pickle.dumps(index)
    for one in items:
        for word in [*one.prompt.split(), one.target, one.id, one.task]:
            if len(word) > 3:
                assert word.encode() not in content
    assert pickle.loads(content).matches([(items[0].prompt, "x"), ("x", "x")]).tolist() == [True, False]
