"""The starter plants one starved skill; these tests check that nothing else is wrong with it."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

import evals.fixtures.starter
from evals.fixtures.starter import SIZES, STARVED, starter
from evals.fixtures.starter.skills import SKILLS
from evals.items import Item, OutputType
from evals.leaks.item_index import index_items
from evals.splits import Split, split_of

TEMPLATES = Path(evals.fixtures.starter.__file__).parent / "tasks"
SKILL_TASKS = [f"starter_{skill.name}" for skill in SKILLS]
ACCEPTS = {skill.name: skill.accepts for skill in SKILLS}


def test_rows_are_a_function_of_the_seed() -> None:
    assert starter(3) == starter(3)
    assert {row["prompt"] for row in starter(3).pool} != {row["prompt"] for row in starter(4).pool}


@pytest.mark.parametrize("seed", range(3))
def test_every_completion_is_right_and_no_prompt_stands_twice(seed: int) -> None:
    made = starter(seed)
    rows = [*made.train, *made.pool, *(row for task in SKILL_TASKS for row in made.items[task])]
    assert all(ACCEPTS[row["skill"]](row["prompt"], row["completion"]) for row in rows)
    assert len({row["prompt"] for row in rows}) == len(rows)


def test_no_row_of_corpus_or_pool_is_blocked_as_a_near_copy_of_an_item() -> None:
    made = starter(0)
    items = [
        Item(
            task=task,
            id=f"{number}",
            split_key=row["prompt"],
            document=row,
            prompt=row["prompt"],
            target=row["completion"],
            delimiter=" ",
            output_type=OutputType.GENERATE_UNTIL,
        )
        for task, rows in made.items.items()
        for number, row in enumerate(rows)
    ]
    index = index_items(items)
    assert not index.matches((row["prompt"], row["completion"]) for row in (*made.train, *made.pool)).any()
    assert index.matches((item.prompt, item.target) for item in items).all()


def test_the_starved_skill_is_rare_in_the_corpus_and_has_half_of_a_fair_share_in_the_pool() -> None:
    made = starter(0)
    corpus = Counter(row["skill"] for row in made.train)
    pool = Counter(row["skill"] for row in made.pool)
    assert corpus == {skill: sizes.train for skill, sizes in SIZES.items()}
    assert corpus[STARVED] == 24
    assert 40 < corpus.total() / len(SKILLS) / corpus[STARVED] < 50
    assert pool[STARVED] == 200
    assert 0.4 < pool[STARVED] / (pool.total() / len(SKILLS)) < 0.6
    assert min(count for skill, count in corpus.items() if skill != STARVED) == 800


def test_the_gate_has_its_share_of_the_starved_items_and_the_guard_seven_hundred() -> None:
    judged = {
        task: sum(split_of(row["prompt"]) is Split.SELECT for row in rows) for task, rows in starter(0).items.items()
    }
    assert abs(judged.pop(f"starter_{STARVED}") - 300) < 4 * (1000 * 0.3 * 0.7) ** 0.5
    assert abs(judged.pop("starter_others") - 720) < 4 * (2400 * 0.3 * 0.7) ** 0.5
    assert min(judged.values()) > 60


def test_every_skill_has_a_task_file_that_names_its_items_and_the_group_names_every_task() -> None:
    names = {f"starter_{skill.name}" for skill in SKILLS}
    files = {path.stem: yaml.safe_load(path.read_text()) for path in TEMPLATES.glob("starter_*.yaml")}
    assert set(files) == {*names, "starter_others"} == set(starter(0).items)
    for name, config in files.items():
        assert config["task"] == name
        assert config["dataset_kwargs"] == {"data_files": {"test": f"{name}.jsonl"}}
    assert set(yaml.safe_load((TEMPLATES / "starter.yaml").read_text())["task"]) == names


def test_the_guard_asks_every_skill_but_the_starved_one_equally_often() -> None:
    asked = Counter(row["skill"] for row in starter(0).items["starter_others"])
    assert asked == {skill: 300 for skill in SIZES if skill != STARVED}


def test_answers_fit_the_longest_generation_and_the_choices() -> None:
    settings = yaml.safe_load((TEMPLATES / "_starter.yaml").read_text())["generation_kwargs"]
    choices = yaml.safe_load((TEMPLATES / "starter_compare.yaml").read_text())["doc_to_choice"]
    items = starter(0).items
    longest = max(len(row["completion"].split()) for rows in items.values() for row in rows)
    assert longest + 1 <= settings["max_gen_toks"]  # the end token too
    assert {row["completion"] for row in items["starter_compare"]} == set(choices)


def test_rows_survive_a_json_line_as_they_are() -> None:
    rows = starter(0).train[:100]
    assert [json.loads(json.dumps(row)) for row in rows] == list(rows)
    assert all(isinstance(value, str) for row in rows for value in row.values())
