"""Programs: what enters was accepted by the checker, is in the slice, new, and of the difficulties that teach most."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.findings import JUMP, Prompts, diagnosis, finding, kinds_of, planned, pool, pool_of, proposed
from builders.pools import train_pool
from numpy.typing import NDArray

from diagnose.finding.finding import Cause, Finding
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice
from interventions.fixes.programs import Programs
from interventions.planner import Auto
from interventions.program import load_programs
from interventions.proposal import NothingToDo

FILE = """
from interventions.program import Program, Row

def jump(where, difficulty, rng):
    steps = [rng.choice(["left", "right", "around"]) for _ in range(difficulty)]
    answer = " ".join(["J"] * difficulty)
    if rng.random() < 0.3:
        answer += " J"  # a careless program: the checker refuses one in three
    return Row("jump " + " ".join(steps) + f" q{rng.randrange(500)}", answer, {"skill": "jump"})

def jumps(prompt, completion):
    return completion.split() == ["J"] * (len(prompt.split()) - 2)

def walk(where, difficulty, rng):
    return Row(f"walk on q{rng.randrange(500)}", "W", {"skill": "walk"})

PROGRAMS = [
    Program("walk", walk, lambda prompt, completion: completion == "W"),
    Program("jump", jump, jumps, difficulties=(1, 2, 3, 4)),
]
"""
HARD = diagnosis(finding(Cause.MISSING_DATA))


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "programs.py").write_text(FILE)
    return str(tmp_path / "programs.py")


def difficulty_of(prompt: str) -> int:
    return len(prompt.split()) - 2


def half_of_the_second(rows: TrainPool) -> NDArray[np.bool_]:
    """A model that solves difficulty 1, half of 2, and nothing of what is harder."""
    difficulty = np.array([difficulty_of(prompt) for prompt in rows.rows["prompt"][:]])
    return (difficulty == 1) | ((difficulty == 2) & (np.arange(len(rows)) % 2 == 0))


def written(**further: object) -> list[dict[str, str]]:
    done = proposed(further.pop("kind"), HARD, **further)  # type: ignore[arg-type]
    return [done.mix.examples.rows[int(k)] for k in np.flatnonzero(kinds_of(done.mix) == "programs")]


def test_every_row_is_right_in_the_slice_and_new(file: str) -> None:
    rows = written(kind=Programs(programs=file, num_examples=100), solves=half_of_the_second)
    assert len(rows) == 100
    assert len({row["prompt"] for row in rows}) == 100
    for row in rows:
        assert row["prompt"].startswith("jump ")
        assert row["completion"].split() == ["J"] * difficulty_of(row["prompt"])


def test_rows_are_written_where_the_model_is_right_half_of_the_time(file: str) -> None:
    rows = written(kind=Programs(programs=file, num_examples=60), solves=half_of_the_second)
    assert {difficulty_of(row["prompt"]) for row in rows} == {2}
    never = written(kind=Programs(programs=file, num_examples=200), solves=lambda rows: np.zeros(len(rows), bool))
    counts = np.bincount([difficulty_of(row["prompt"]) for row in never], minlength=5)
    assert counts[1:].min() >= 30  # of 50 each


FEW = """
from interventions.program import Program, Row

def few(where, difficulty, rng):  # 2, 4, 8 and 16 of them
    steps = [rng.choice(["left", "right"]) for _ in range(difficulty)]
    return Row("jump " + " ".join(steps) + " again", " ".join(["J"] * difficulty), {"skill": "jump"})

PROGRAMS = [Program("few", few, lambda prompt, completion: True, difficulties=(1, 2, 3, 4))]
"""


def test_where_rows_of_the_best_difficulty_run_out_those_nearest_to_it_follow(tmp_path: Path) -> None:
    (tmp_path / "few.py").write_text(FEW)

    def solves(rows: TrainPool) -> NDArray[np.bool_]:
        difficulty = np.array([difficulty_of(prompt) for prompt in rows.rows["prompt"][:]])
        every = {1: 1, 2: 2, 3: 8}  # one row in so many, of the hardest none
        return np.array([d in every and place % every[d] == 0 for place, d in enumerate(difficulty.tolist())])

    rows = written(kind=Programs(programs=str(tmp_path / "few.py"), num_examples=10), solves=solves)
    assert Counter(difficulty_of(row["prompt"]) for row in rows) == {2: 4, 3: 6}
    rows = written(kind=Programs(programs=str(tmp_path / "few.py"), num_examples=400), solves=solves)
    assert Counter(difficulty_of(row["prompt"]) for row in rows) == {1: 2, 2: 4, 3: 8, 4: 16}


MANY = """
from interventions.program import Program, Row

def many(where, difficulty, rng):  # a thousand of each
    return Row("jump " + "left " * difficulty + f"q{rng.randrange(1000)}", " ".join(["J"] * difficulty))

PROGRAMS = [Program("many", many, lambda prompt, completion: True, difficulties=(1, 2))]
"""


def test_a_difficulty_is_asked_until_no_new_row_of_it_passes_and_no_row_that_passes_is_called_blocked(
    tmp_path: Path,
) -> None:
    (tmp_path / "many.py").write_text(MANY)
    items = Prompts([f"jump left left q{k}" for k in range(700)])
    kind = Programs(programs=str(tmp_path / "many.py"), num_examples=250)
    done = proposed(kind, HARD, index=items, solves=half_of_the_second)
    chosen = [done.mix.examples.rows[int(k)] for k in np.flatnonzero(kinds_of(done.mix) == "programs")]
    assert Counter(difficulty_of(row["prompt"]) for row in chosen) == {2: 250}
    assert not {row["id"] for row in chosen} & set(done.plan.blocked)


def test_evaluation_items_are_not_written(file: str) -> None:
    kind = Programs(programs=file, num_examples=400)
    free = {row["prompt"] for row in written(kind=kind)}
    items = Prompts(sorted(free)[:50])
    done = proposed(kind, HARD, index=items)
    assert not items.prompts & set(done.mix.examples.rows["prompt"][:])
    assert len(done.plan.blocked) >= 40


def test_the_planner_writes_rows_where_the_pool_has_none(file: str) -> None:
    auto = Auto(programs=file)
    assert proposed(auto, HARD, new=pool()).plan.keys == [f"retrieve: {JUMP}"]
    assert proposed(auto, HARD).plan.keys == [f"programs: {JUMP}"]
    assert proposed(auto, HARD, new=pool_of(["walk new"], "pool")).plan.keys == [f"programs: {JUMP}"]
    assert isinstance(planned(Auto(), HARD), NothingToDo)


def test_without_a_data_slice_the_program_is_taken_whose_rows_are_like_the_failed_items(file: str) -> None:
    asked = tuple(f"jump left right q{k} J J" for k in range(20))
    bare: Finding = replace(finding(Cause.MISSING_DATA), data_slices=(), queries=asked)
    done = proposed(Auto(programs=file), diagnosis(bare))
    assert [action.kind for action in done.plan.actions] == ["programs"]
    assert "written by program jump" in done.plan.reason
    other = replace(bare, queries=tuple(f"sort the letters z{k} y{k}" for k in range(20)))
    nothing = planned(Auto(programs=file), diagnosis(other))
    assert isinstance(nothing, NothingToDo)
    assert "no program of" in nothing.plan.reason


SUMS = """
from interventions.program import Program

def is_sum(prompt, completion):
    return sum(map(int, prompt.split()[1:])) == int(completion)

PROGRAMS = [Program("sums", None, is_sum)]
"""


def test_a_checker_alone_has_rows_made_of_the_rows_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(SUMS)
    numbers = [(k % 7, 10 + k % 11) for k in range(40)]
    sums = [(f"sum {a} {b}", str(a + b)) for a, b in numbers]
    old = train_pool([*sums, *((f"walk old {i}", "W") for i in range(60))])
    prompts = old.rows["prompt"][:]
    where = Slice(((PROMPT_CONTAINS, "sum"),))
    done = proposed(
        Programs(programs=str(tmp_path / "sums.py"), num_examples=20),
        diagnosis(finding(Cause.MISSING_DATA, where)),
        old=old,
    )
    places = np.flatnonzero(kinds_of(done.mix) == "programs")
    assert len(places) == 20
    parent_of = dict(zip(old.rows["id"][:], prompts, strict=True))
    for place in places.tolist():
        row = done.mix.examples.rows[place]
        _, first, second = row["prompt"].split()
        assert int(row["completion"]) == int(first) + int(second)
        assert row["prompt"] not in prompts
        assert (int(first), int(second)) in {(a, b) for a, _ in numbers for _, b in numbers}
        changed = [
            a != b for a, b in zip(row["prompt"].split(), parent_of[done.mix.parents[place]].split(), strict=True)
        ]
        assert 1 <= sum(changed) <= 2


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("import nothing_of_that_name\n", "cannot be imported: ModuleNotFoundError"),
        ("PROGRAMS = []\n", "must define PROGRAMS"),
        ("x = 1\n", "must define PROGRAMS"),
        (
            "from interventions.program import Program\nPROGRAMS = [Program('p', None, None, ())]\n",
            "program p has no difficulty",
        ),
    ],
)
def test_a_file_that_registers_nothing_usable_is_refused_beforehand(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(ValueError, match=named):
        Auto(programs=str(tmp_path / "bad.py"))
    with pytest.raises(ValueError, match="does not exist"):
        load_programs(str(tmp_path / "none.py"))
