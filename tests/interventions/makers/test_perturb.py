"""Rows made of rows: what changes in them, and what the checker refuses."""

from random import Random

from interventions.makers.perturb import Perturbation
from interventions.makers.row import Row


def test_an_answer_changes_with_its_question_where_the_same_word_stands_in_both() -> None:
    everyone = [(thing, name) for thing in ("cup", "pen", "hat") for name in ("Ann", "Bo", "Cy")]
    rows = [Row(f"who has the {thing} ? {name}", f"{name} has it") for thing, name in everyone[::2]]
    rng = Random(3)
    perturbation = Perturbation(rows, lambda p, a: a == f"{p.split()[-1]} has it", rng)
    made = [row for row in (perturbation.write() for _ in range(200)) if row is not None]
    assert {row.prompt for row in made} == {f"who has the {thing} ? {name}" for thing, name in everyone[1::2]}
    assert all(row.completion.split()[0] == row.prompt.split()[-1] for row in made)
    asked: list[str] = []

    def refuses(prompt: str, answer: str) -> bool:
        asked.append(prompt)
        return False

    refusing = Perturbation(rows, refuses, rng)
    assert not any(refusing.write() for _ in range(20_000))
    assert len(asked) < 2_300  # and not 200 for each of them
    assert Perturbation([], lambda prompt, answer: True, rng).write() is None
