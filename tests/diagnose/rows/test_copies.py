"""Near copies are found as their exact similarity says, and what only looks alike is left apart."""

import random

import numpy as np

from diagnose.rows.copies import first_alike

WORDS = [f"w{k}" for k in range(5_000)]


def text(generator: random.Random, num_words: int) -> list[str]:
    return generator.sample(WORDS, num_words)


def with_changed(words: list[str], number: int) -> str:
    """So many words, far from each other, put in the place of others."""
    places = {(2 * k + 1) * len(words) // (2 * number) for k in range(number)}
    return " ".join(f"{word}x" if k in places else word for k, word in enumerate(words))


def groups(contents: list[str]) -> set[frozenset[str]]:
    first = first_alike(contents).tolist()
    return {frozenset(c for c, other in zip(contents, first, strict=True) if other == k) for k in set(first)}


def test_two_words_in_sixty_are_a_near_copy_and_three_are_not() -> None:
    generator = random.Random(0)
    texts = [text(generator, 60) for _ in range(200)]
    plain = ["\x00" + " ".join(words) for words in texts]
    # Of 58 runs each word takes 3 and puts 3 in their place: 52 of 64 is .81, 49 of 67 is .73.
    first = first_alike([*plain, *("\x00" + with_changed(words, 2) for words in texts)])
    assert first[:200].tolist() == list(range(200))
    assert (first[200:] == np.arange(200)).mean() > 0.97  # one in a hundred has no band in common
    apart = first_alike([*plain, *("\x00" + with_changed(words, 3) for words in texts)])
    assert apart.tolist() == list(range(400))


def test_every_tenth_word_is_too_many() -> None:
    generator = random.Random(1)
    texts = [text(generator, 60) for _ in range(50)]
    contents = ["\x00" + " ".join(words) for words in texts] + ["\x00" + with_changed(words, 6) for words in texts]
    assert first_alike(contents).tolist() == list(range(100))


def test_a_near_copy_with_another_answer_is_none_unless_there_is_no_prompt() -> None:
    generator = random.Random(2)
    texts = [text(generator, 80) for _ in range(30)]
    prompts = [" ".join(words) for words in texts]
    near = [with_changed(words, 1) for words in texts]
    same = [f"{prompt}\x00seven" for prompt in prompts] + [f"{prompt}\x00seven" for prompt in near]
    assert first_alike(same).tolist() == [*range(30), *range(30)]
    other = same[:30] + [f"{prompt}\x00eight" for prompt in near]
    assert first_alike(other).tolist() == list(range(60))
    plain = [f"\x00{prompt}" for prompt in [*prompts, *near]]
    assert first_alike(plain).tolist() == [*range(30), *range(30)]


def test_copies_of_copies_are_one_group_in_whatever_order() -> None:
    generator = random.Random(3)
    contents = []
    for _ in range(40):
        words = text(generator, 60)
        chain = [list(words) for _ in range(3)]
        chain[1][20:22] = ["one", "two"]
        chain[2][20:22], chain[2][40:42] = ["one", "two"], ["three", "four"]
        contents += ["\x00" + " ".join(link) for link in chain]
    found = groups(contents)
    assert sum(len(group) == 3 for group in found) > 35
    generator.shuffle(contents)
    assert groups(contents) == found


def test_the_instruction_that_all_prompts_begin_and_end_with_does_not_make_them_copies() -> None:
    generator = random.Random(4)
    head, tail = " ".join(text(generator, 100)), " ".join(text(generator, 30))
    asked = [" ".join(text(generator, 30)) for _ in range(60)]
    assert first_alike([f"{head} {one} {tail}\x00yes" for one in asked]).tolist() == list(range(60))
    twice = [f"{head} {one} {tail}\x00yes" for one in [*asked, *(f"{one} indeed" for one in asked)]]
    assert first_alike(twice).tolist() == [*range(60), *range(60)]


def test_of_a_closed_grammar_and_of_short_texts_nothing_is_a_near_copy() -> None:
    generator = random.Random(5)
    actions = [" ".join(generator.choice(["walk", "turn left", "jump"]) for _ in range(30)) for _ in range(100)]
    near = [f"\x00{one} again" for one in actions]
    assert first_alike([*(f"\x00{one}" for one in actions), *near]).tolist() == list(range(200))
    short = [" ".join(text(generator, 11)) for _ in range(200)]
    assert first_alike([*(f"\x00{one}" for one in short), *(f"\x00{one} x" for one in short)]).tolist() == list(
        range(400)
    )
    assert first_alike([]).tolist() == []


def test_a_zero_byte_in_a_text_is_a_letter_like_others() -> None:
    generator = random.Random(6)
    contents = [f"a\x00b\x00{' '.join(text(generator, 60))}" for _ in range(20)]
    assert first_alike(contents).tolist() == list(range(20))
