"""Failure modes by rules, by the model's own certainty, and their shares."""

from math import log

import pytest
from builders.items import item, scored

from diagnose.modes.answer_text import equations_of, final_answer, number_of
from diagnose.modes.mode import Likelihood, Mode
from diagnose.modes.name import mode_shares, modes_of
from diagnose.modes.rules import declines
from evals.items import ItemResult, OutputType

CHAIN = "She has 48 / 2 = 24 left.\nThen 24 + 6 = 30.\n#### 30"


def failed(
    answer: str,
    target: str,
    prompt: str = "prompt",
    output_type: OutputType = OutputType.GENERATE_UNTIL,
    id: str = "id-0",
) -> ItemResult:
    return scored(item(prompt, target, id=id, output=output_type), 0.0, answer)


def mode_of(result: ItemResult) -> Mode:
    return modes_of([result])[0]


@pytest.mark.parametrize(
    ("answer", "target", "mode"),
    [
        ("[invalid]", CHAIN, Mode.FORMAT),
        ("30", CHAIN, Mode.FORMAT),
        ("So the answer is 30 dollars.\n#### $30.00", CHAIN, Mode.FORMAT),
        ("forty-two", "42", Mode.FORMAT),
        ("**Answer:** Paris", "Paris", Mode.FORMAT),
        ("It has 18 + 3 = 21", "18", Mode.WRONG),
        ("She has 48 / 2 = 24 left.\nThen 24 + 6 = 40.\n#### 40", CHAIN, Mode.WRONG),
        ("1000", "1005", Mode.NEAR_MISS),
        ("9005", "1005", Mode.WRONG),
        ("I'm sorry, but I cannot help with that.", "Paris", Mode.REFUSAL),
        ("As an AI language model I have no opinion.", "Paris", Mode.REFUSAL),
        ("I don't know", "Paris", Mode.REFUSAL),
        ("I cannot answer this.", "I'm sorry, I cannot answer that.", Mode.WRONG),
        ("The city stands where the two rivers meet and the", "Paris", Mode.TRUNCATED),
        ("b c d e f g a", "a g f e d c b", Mode.WRONG),
    ],
)
def test_rules_name_what_can_be_seen(answer: str, target: str, mode: Mode) -> None:
    assert mode_of(failed(answer, target)) is mode


def test_the_letter_of_the_right_option_is_the_right_answer_in_another_form() -> None:
    question = "Which is the capital of France?\nA. Lyon\nB. Paris\nAnswer:"
    assert mode_of(failed("B", "Paris", question)) is Mode.FORMAT
    assert mode_of(failed("Paris", "B", question)) is Mode.FORMAT
    assert mode_of(failed("A", "Paris", question)) is Mode.WRONG
    assert mode_of(failed("Lyon", "B", question)) is Mode.WRONG


def test_a_long_answer_that_names_what_the_question_names_has_not_answered_with_it() -> None:
    question = "Nora is taller than Omar. Omar is taller than Wei. Who is the tallest?"
    talk = "Since Nora is not taller than Wei and Wei is taller than Omar it must be Wei."
    assert mode_of(failed(talk, "Nora", question)) is Mode.WRONG
    assert mode_of(failed("It must be Nora.", "Nora", question)) is Mode.FORMAT


def test_what_was_not_found_has_a_wrong_form_and_what_goes_round_in_circles_is_repetition() -> None:
    results = [
        failed("He went to the harbour.", "Paris", id="prose"),
        failed("[invalid]", "Paris", id="lost"),
        failed("no no no no no no", "Paris", id="loop"),
        failed("Lyon", "Paris", id="other"),
    ]
    assert modes_of(results) == [Mode.WRONG, Mode.FORMAT, Mode.REPETITION, Mode.WRONG]


def test_only_a_known_and_high_probability_makes_a_wrong_answer_confident() -> None:
    results = [failed("Lyon", "Paris", id=f"{k}") for k in range(4)]
    likelihoods = {
        ("task", "0"): Likelihood(log(0.95), log(0.01)),
        ("task", "1"): Likelihood(log(0.5), log(0.01)),
        ("task", "2"): Likelihood(log(0.95), log(0.9)),
    }
    assert modes_of(results, likelihoods=likelihoods) == [Mode.CONFIDENT_WRONG, Mode.WRONG, Mode.WRONG, Mode.WRONG]
    choice = failed("Lyon", "Paris", output_type=OutputType.MULTIPLE_CHOICE, id="0")
    assert modes_of([choice], likelihoods=likelihoods) == [Mode.CONFIDENT_WRONG]


def test_rules_come_before_certainty() -> None:
    sure = {("task", "id-0"): Likelihood(-0.01, -5.0)}
    assert modes_of([failed("The answer is Paris.", "Paris")], likelihoods=sure) == [Mode.FORMAT]


def test_shares_sum_to_1_with_everything_that_can_be_known() -> None:
    results = [failed("", "x", id="0"), failed("Lyon", "Paris", id="1"), failed("Rome", "Bonn", id="2")]
    shares = mode_shares(results, likelihoods={("task", "1"): Likelihood(-0.01, -5.0)})
    assert shares == pytest.approx({"no_answer": 1 / 3, "confident_wrong": 1 / 3, "wrong": 1 / 3})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$1,000.50", 1000.5),
        ("42 %", 42),
        ("twenty-one", 21),
        ("two hundred and five", 205),
        ("3/4", 0.75),
        ("4 x", None),
    ],
)
def test_a_number_is_one_however_it_is_written(text: str, value: float | None) -> None:
    assert number_of(text) == value


def test_equations_are_checked() -> None:
    assert equations_of("3 + 4 = 7, 3 * 4 = 13 and 10 / 3 = 3.33") == [True, False, True]


def test_the_last_mark_tells_the_final_answer() -> None:
    assert final_answer("The answer is 3.\nNo, the answer is 4.") == "4"
    assert final_answer("so \\boxed{12}") == "12"
    assert final_answer("just words") == "just words"


def test_an_apology_of_somebody_else_is_no_refusal() -> None:
    assert not declines("He said sorry to them and left, for he could not answer.")
    assert not declines("The model was built in 1890.")
