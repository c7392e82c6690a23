"""Rows made of rows: what changes in them, and what the checker refuses."""

from random import Random

from interventions.makers.perturb import Perturbation


def test_an_answer_changes_with_its_question_where_the_same_word_stands_in_both() -> None:
    everyone = [(thing, name) for thing in ("cup", "pen", "hat") for name in ("Ann", "Bo", "Cy")]
    pairs = [(f"who has the {thing} ? {name}", f"{name} has it") for thing, name in everyone[::2]]
    perturbation, rng = Perturbation(pairs, lambda p, a: a == f"{p.split()[-1]} has it"), Random(3)
    made = [row for row in (perturbation.make(rng) for _ in range(200)) if row is not None]
    assert {row.prompt for row in made} == {f"who has the {thing} ? {name}" for thing, name in everyone[1::2]}
    assert all(row.completion.split()[0] == row.prompt.split()[-1] for row in made)
    asked: list[str] = []
    refusing = Perturbation(pairs, lambda prompt, answer: bool(asked.append(prompt)))  # type: ignore[func-returns-value]
    assert not any(refusing.make(rng) for _ in range(20_000))
    assert len(asked) < 2_300  # and not 200 for each of them
    assert Perturbation([], lambda prompt, answer: True).make(Random(3)) is None
