"""Rows that give answers after other words, where an evaluation scores the bare answers: they are told, with the words
around, and rows that hold an answer for another reason are not."""

from collections.abc import Sequence

import pytest
from builders.items import probe_item, scored
from builders.pools import train_pool
from builders.subjects import subject

from diagnose.evidence.from_rows.wrapping import check_wrapping, wrapped
from evals.items import Item, OutputType

COLOURS = ("red", "blue")
Pairs = Sequence[tuple[str, str]]


def asked(words: str, number: int, form: str = "{}", first: int = 0) -> list[tuple[str, str]]:
    """Prompts that no other has, with a colour as answer."""
    return [(f"{words} n{first + k}", form.format(COLOURS[k % 2])) for k in range(number)]


def items(pairs: Pairs, output: OutputType = OutputType.MULTIPLE_CHOICE) -> list[Item]:
    return [probe_item(prompt, target, output=output) for prompt, target in pairs]


SORTED, TOLD = items(asked("sort by colour", 60)), items(asked("tell the colour", 60))


@pytest.mark.parametrize(
    ("form", "share", "around"),
    [
        ("it must be {} then", 1.0, "it must be … then"),
        ("the colour: {}.", 1.0, "the colour: …."),
        ("{} as you see", 0.0, ""),  # the likelihood of an answer does not depend on what follows it
        ("{}", 0.0, ""),
        ("redder than {}ish", 0.0, ""),
    ],
)
def test_answers_after_other_words_are_told_with_what_is_around_them(form: str, share: float, around: str) -> None:
    corpus = train_pool([*asked("sort by colour", 200, form, 900), *asked("tell the colour", 200, first=900)], "train")
    found = wrapped(corpus, SORTED, TOLD)
    assert found is not None
    assert (found.of_slice, found.of_others, found.beyond, found.form) == (share, 0.0, share, around)


def test_what_is_wrapped_for_all_items_alike_explains_no_slice() -> None:
    both = [*asked("sort by colour", 200, "it is {}", 900), *asked("tell the colour", 200, "it is {}", 900)]
    found = wrapped(train_pool(both, "train"), SORTED, TOLD)
    assert found is not None
    assert (found.of_slice, found.of_others, found.beyond) == (1.0, 1.0, 0.0)


def test_a_slice_without_rows_is_not_told_by_rows_that_hold_its_answer_by_chance() -> None:
    talk = [(f"let us sort out n{k}", "well i saw a red and blue bird" if k % 9 == 0 else "well") for k in range(400)]
    found = wrapped(train_pool([*talk, *asked("tell the colour", 200, first=900)], "train"), SORTED, TOLD)
    assert found is not None
    assert found.beyond == 0


@pytest.mark.parametrize("output", [OutputType.GENERATE_UNTIL, OutputType.LOGLIKELIHOOD_ROLLING])
def test_nothing_is_told_where_answers_are_written_or_no_other_items_are_scored(output: OutputType) -> None:
    corpus = train_pool(asked("sort by colour", 400, "it is {}", 900), "train")
    assert wrapped(corpus, items(asked("sort by colour", 60), output), TOLD) is None
    assert wrapped(corpus, SORTED, items(asked("tell the colour", 60), output)) is None


def test_the_test_says_which_form_the_rows_of_a_failing_slice_have() -> None:
    pairs = [*asked("sort by colour", 40), *asked("tell the colour", 40)]
    results = [scored(one, float("tell" in one.prompt)) for one in items(pairs)]
    corpus = [*asked("sort by colour", 200, "it is {}", 900), *asked("tell the colour", 200, first=900)]
    found = check_wrapping(subject(results, corpus))
    assert found.values == {"wrapped": 1.0}
    assert "100% of the slice's items" in found.says
    assert "“it is …”" in found.says
