"""Forms: what was planted in answers and prompts is found as such, applied to rows, and undone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from builders.items import result
from builders.subjects import Answering, sorted_rows, subject
from pydantic import TypeAdapter

from diagnose.evidence.from_asking.mappings import map_answers
from diagnose.evidence.from_asking.prompts import change_prompts
from diagnose.finding.forms import Form, Frame, How, Reading, Variant
from evals.items import Answered, ItemResult

LETTERS = dict(zip("abcdefgh", ["one", "two", "three", "four", "five", "six", "seven", "eight"], strict=True))
SPELT = Reading(How.WORDS, words=tuple(sorted((spelt, letter) for letter, spelt in LETTERS.items())))
ASKING = Answering(lambda _: "?")


@dataclass
class Refusing(Answering):
    """A task whose scorer takes no answer of more than three words."""

    def score(self, answered: Sequence[Answered]) -> list[ItemResult | None]:
        refused = "none" if len(answered[0].item.target.split()) > 3 else None
        return [result(a.item.prompt, a.item.target, refused or a.answer) for a in answered]


def forms(answers: Callable[[str], str], asker: Answering = ASKING, passing: int = 0) -> tuple[Form, ...]:
    rows = sorted_rows(120)
    results = [result(p, gold, gold if k < passing else answers(gold)) for k, (p, gold) in enumerate(rows)]
    return map_answers(subject(results, rows), asker).forms


def spelt(gold: str) -> str:
    return " ".join(LETTERS[letter] for letter in gold.split())


@pytest.mark.parametrize(
    ("dress", "planted"),
    [
        (lambda gold: f"it is {gold} here", Reading(How.UNWRAP, "it is", "here")),
        (lambda gold: f"answer {gold}", Reading(How.UNWRAP, "answer", "")),
        (lambda gold: gold.upper(), Reading(How.LOWER)),
        (lambda gold: f"Let me think.\n{gold}", Reading(How.UNWRAP, "Let me think.", "")),
        (lambda gold: " ".join(f"I_{word}" for word in gold.split()), Reading(How.UNMARK, "I_", "")),
        (spelt, SPELT),
    ],
)
def test_a_planted_form_of_answers_is_found_as_it_was_planted(dress: Callable[[str], str], planted: Reading) -> None:
    assert forms(dress) == (Form(answers=planted),)
    assert forms(dress, passing=60) == (Form(answers=planted),)


def test_golds_in_a_form_of_their_own_are_reached_by_writing_around_the_answers() -> None:
    rows = sorted_rows(80)
    results = [result(p, f"Answer: {gold} .", gold) for p, gold in rows]
    assert map_answers(subject(results, rows), ASKING).forms == (Form(answers=Reading(How.WRAP, "Answer:", ".")),)


def test_a_planted_shift_of_prompts_is_found_as_it_was_planted() -> None:
    rows = [(f"{prompt} =>", answer) for prompt, answer in sorted_rows(40)]
    gold = dict(rows)
    failed = [result(prompt.replace("=>", "->"), answer, "?") for prompt, answer in rows]
    found = change_prompts(subject(failed, rows), Answering(lambda prompt: gold.get(prompt, "?"))).forms
    assert found == (Form(frame=Frame(("sort ", " =>"), ("sort ", " ->"))),)
    assert found[0].applied(*rows[0]) == Variant(rows[0][0].replace("=>", "->"), rows[0][1])


def test_a_form_that_the_tasks_scorer_does_not_take_is_not_kept() -> None:
    assert forms(lambda gold: f"answer {gold}", Refusing(lambda _: "?")) == ()


def test_a_form_that_nobody_can_check_is_not_kept() -> None:
    rows = sorted_rows(80)
    results = [result(p, gold, f"answer {gold}") for p, gold in rows]
    found = map_answers(subject(results, rows))
    assert (found.values["mapped"], found.forms) == (1.0, ())


def test_a_form_that_breaks_right_answers_is_not_kept() -> None:
    rows = sorted_rows(120)
    asked = [(p, gold if k % 3 else f"answer {gold}") for k, (p, gold) in enumerate(rows)]
    results = [result(p, gold, gold if gold.startswith("answer") else f"answer {gold}") for p, gold in asked]
    assert sum(not r.is_failed for r in results) == 40
    assert map_answers(subject(results, rows), ASKING).forms == ()


def test_what_throws_text_away_is_no_form_where_it_would_cut_a_gold_answer() -> None:
    short = [result(f"sort {k}", f"w{k}", f"well it may{k} be w{k}") for k in range(60)]
    assert map_answers(subject(short, [("sort x", "y")]), ASKING).forms == (Form(answers=Reading(How.LAST_WORD)),)
    long = [result(f"sort long {k}", f"v{k} w{k}", f"v{k} w{k}") for k in range(3)]
    found = map_answers(subject([*short, *long], [("sort x", "y")]), ASKING)
    assert found.values["mapped"] > 0.9
    assert found.forms == ()


def test_a_word_by_word_mapping_is_applied_to_rows_and_undone_exactly() -> None:
    form = Form(answers=SPELT)
    for prompt, answer in sorted_rows(200, 3):
        assert form.applied(prompt, spelt(answer)) == Variant(prompt, answer)
        assert SPELT.undone(answer) == spelt(answer)


@pytest.mark.parametrize(
    ("reading", "answer"),
    [
        (SPELT, "one two nine"),  # a word that was never seen
        (SPELT, ""),
        (Reading(How.WORDS, words=(("no", "0"), ("not", "0"), ("yes", "1"))), "no yes"),  # no way back from 0
        (Reading(How.WORDS, words=(("a", "a"), ("b", "c"))), "a"),  # nothing changes
        (Reading(How.UNWRAP, "answer", ""), "a b"),
        (Reading(How.UNWRAP, "answer", ""), "answering b"),
        (Reading(How.UNWRAP, "answer", ""), "answer"),
        (Reading(How.WRAP, "<", ">"), "< a b >"),  # in the evaluation's form already
        (Reading(How.UNMARK, "I_", ""), "I_WALK RUN"),
        (Reading(How.LAST_NUMBER), "12"),
        (Reading(How.LOWER), "a b"),
    ],
)
def test_an_answer_that_a_form_says_nothing_of_has_no_variant(reading: Reading, answer: str) -> None:
    assert Form(answers=reading).applied("sort x", answer) is None


def test_space_inside_an_answer_is_kept() -> None:
    assert Reading(How.UNWRAP, "answer", "end").rewritten("answer  a\n  b  end\n") == "a\n  b"
    assert Reading(How.WORDS, words=(("a", "b"), ("b", "a"))).rewritten("a\n  b") == "b\n  a"


@pytest.mark.parametrize(
    ("frame", "prompt", "asked"),
    [
        (Frame(("Q: ", " A:"), ("", "")), "Q: what A:", "what"),
        (Frame(("", ""), ("Q: ", " A:")), "what", "Q: what A:"),
        (Frame(("", ""), ("Q: ", " A:")), "Q: what A:", None),  # in the evaluation's form already
        (Frame(("Q: ", " A:"), ("", "")), "why", None),
        (Frame(("", " =>"), ("sort ", " ->")), "sort x =>", None),  # one side is
    ],
)
def test_a_frame_is_put_in_the_place_of_the_trainings_and_of_nothing_else(
    frame: Frame, prompt: str, asked: str | None
) -> None:
    assert Form(frame=frame).applied(prompt, "a") == (None if asked is None else Variant(asked, "a"))
    assert asked is None or Frame(frame.evaluation, frame.training).rewritten(asked) == prompt


def test_frame_and_answers_change_together_or_not_at_all() -> None:
    form = Form(Frame(("Q: ", ""), ("", "")), Reading(How.UNWRAP, "answer", ""))
    assert form.applied("Q: what", "answer a") == Variant("what", "a")
    assert form.applied("Q: what", "a") is None
    assert form.applied("what", "answer a") is None
    assert Form(answers=form.answers).applied("", "answer a") is None  # plain text has no answer


def test_a_form_is_read_back_as_it_was_written() -> None:
    form = Form(Frame(("Q: ", ""), ("", "\n")), SPELT)
    reader = TypeAdapter(Form)
    assert reader.validate_json(reader.dump_json(form)) == form
