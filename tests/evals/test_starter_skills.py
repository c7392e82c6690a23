"""The makers and checkers of the starter's skills judge each other, and hand-worked examples judge both."""

from random import Random

import pytest

from evals.fixtures.starter.skills import SKILLS, Skill

BY_NAME = {skill.name: skill for skill in SKILLS}
WORKED = [
    ("add", "add 4 7 and 3 5", "2 8", "8 2"),
    ("add", "add 1 0 and 1 0", "0 2", "2"),
    ("compare", "compare 4 7 with 3 5", "more", "less"),
    ("count", "count a in a b b a b", "2", "3"),
    ("deduce", "deduce eve over dan and ada over eve", "ada", "eve"),
    ("descend", "descend b a d", "d b a", "a b d"),
    ("largest", "largest 3 9 1", "9", "3"),
    ("reverse", "reverse c a h", "h a c", "c a h"),
    ("rotate", "rotate c a h", "a h c", "h c a"),
    ("sort", "sort b a d", "a b d", "d b a"),
]


@pytest.mark.parametrize(("name", "prompt", "right", "wrong"), WORKED)
def test_a_checker_agrees_with_an_answer_worked_by_hand(name: str, prompt: str, right: str, wrong: str) -> None:
    assert BY_NAME[name].accepts(prompt, right)
    assert not BY_NAME[name].accepts(prompt, wrong)


def test_every_skill_has_an_example_worked_by_hand() -> None:
    assert {name for name, *_ in WORKED} == set(BY_NAME)


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_a_checker_accepts_what_the_maker_made_and_refuses_it_perturbed(skill: Skill) -> None:
    rng = Random(0)
    for _ in range(500):
        made = skill.make(rng)
        words = made.completion.split()
        assert skill.accepts(made.prompt, made.completion)
        assert not skill.accepts(made.prompt, "")
        assert not skill.accepts(made.prompt, " ".join(words[:-1]))
        assert not skill.accepts(made.prompt, f"{made.completion} {words[0]}")
        assert not skill.accepts(made.prompt, f"{made.completion} zebra")
        if len(set(words)) > 1:
            assert not skill.accepts(made.prompt, " ".join([words[-1], *words[1:-1], words[0]]))


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_no_other_answer_of_the_skill_is_accepted(skill: Skill) -> None:
    rng = Random(1)
    made = [skill.make(rng) for _ in range(60)]
    answers = {exercise.completion for exercise in made}
    for exercise in made:
        accepted = {answer for answer in answers if skill.accepts(exercise.prompt, answer)}
        assert accepted == {exercise.completion}


@pytest.mark.parametrize("skill", SKILLS, ids=lambda skill: skill.name)
def test_prompts_open_with_their_skill_and_stay_below_the_thirteen_words_of_a_near_copy(skill: Skill) -> None:
    rng = Random(2)
    for _ in range(200):
        words = skill.make(rng).prompt.split()
        assert words[0] == skill.name
        assert len(words) < 13
