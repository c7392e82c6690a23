"""SCAN with `jump` starved: what is taken away, what the pool keeps, and what is asked."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

import evals.fixtures.scan
from evals.fixtures.scan import ScanJump, scan_jump
from evals.splits import Split, split_of

TEMPLATES = Path(evals.fixtures.scan.__file__).parent / "tasks"
FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "scan"
needs_scan = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="SCAN's files are not beside the checkout (shared/data/scan)"
)


def read(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def made() -> ScanJump:
    return scan_jump(
        read("simple_train"), read("simple_test"), num_starved=80, num_held_out=2000, max_actions=24, seed=0
    )


def grammar(prefix: str) -> list[dict[str, str]]:
    """A command for each verb and 20 adverbs that SCAN does not have."""
    return [
        {"command": f"{verb} {prefix}{number}", "actions": f"{verb.upper()} {prefix}{number}"}
        for verb in ("jump", "walk", "run", "look")
        for number in range(20)
    ]


def has_jump(row: Mapping[str, str]) -> bool:
    return "jump" in row["prompt"].split()


def test_starved_held_out_and_pooled_rows_add_up() -> None:
    made = scan_jump(grammar("a"), grammar("b"), num_starved=3, num_held_out=5, max_actions=24, seed=0)
    assert sum(map(has_jump, made.train)) == 3
    assert len(made.train) == 60 + 3
    assert len(made.pool) == 80 - 5
    assert {task: len(rows) for task, rows in made.items.items()} == {
        "scan_jump": 20 + 5,
        "scan_others": 60,
        "scan_walk": 20,
        "scan_run": 20,
        "scan_look": 20,
    }


def test_the_hubs_field_names_give_the_same_rows() -> None:
    hub = [{"commands": row["command"], "actions": row["actions"]} for row in grammar("a")]
    settings = {"num_starved": 3, "num_held_out": 5, "max_actions": 24, "seed": 0}
    assert scan_jump(hub, grammar("b"), **settings) == scan_jump(grammar("a"), grammar("b"), **settings)


def test_another_seed_starves_other_rows() -> None:
    first, second = (
        scan_jump(grammar("a"), grammar("b"), num_starved=3, num_held_out=5, max_actions=24, seed=seed).train
        for seed in (0, 1)
    )
    assert {row["prompt"] for row in first if has_jump(row)} != {row["prompt"] for row in second if has_jump(row)}


def test_more_starved_rows_than_there_are_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"num_starved 18 .*num_held_out 5 .* has 20"):
        scan_jump(grammar("a"), grammar("b"), num_starved=18, num_held_out=5, max_actions=24, seed=0)


def test_every_task_has_a_file_that_names_its_items() -> None:
    made = scan_jump(grammar("a"), grammar("b"), num_starved=3, num_held_out=5, max_actions=24, seed=0)
    files = {path.stem: yaml.safe_load(path.read_text()) for path in TEMPLATES.glob("scan_*.yaml")}
    assert set(files) == set(made.items)
    for name, config in files.items():
        assert config["task"] == name
        assert config["dataset_kwargs"] == {"data_files": {"test": f"{name}.jsonl"}}


@needs_scan
def test_the_corpus_keeps_eighty_rows_with_jump_and_every_other_row_of_at_most_24_actions(made: ScanJump) -> None:
    short = [row for row in read("simple_train") if len(row["actions"].split()) <= 24]
    others = sum("jump" not in row["command"].split() for row in short)
    assert sum(map(has_jump, made.train)) == 80
    assert len(made.train) == others + 80
    assert len(made.pool) == len(short) - 2000


@needs_scan
def test_no_command_that_is_asked_stands_in_corpus_or_pool(made: ScanJump) -> None:
    asked = {row["prompt"] for rows in made.items.values() for row in rows}
    assert asked.isdisjoint(row["prompt"] for row in (*made.train, *made.pool))


@needs_scan
def test_an_action_jump_is_wanted_exactly_where_the_command_says_jump(made: ScanJump) -> None:
    rows = [*made.train, *made.pool, *(row for rows in made.items.values() for row in rows)]
    assert all(has_jump(row) == ("JUMP" in row["completion"].split()) for row in rows)
    assert all(map(has_jump, made.items["scan_jump"]))
    assert not any(map(has_jump, made.items["scan_others"]))


@needs_scan
def test_the_gate_has_the_900_items_that_show_a_gain_of_05(made: ScanJump) -> None:
    rows = made.items["scan_jump"]
    judged = sum(split_of(row["prompt"]) is Split.SELECT for row in rows)
    assert abs(judged - 0.3 * len(rows)) < 4 * (len(rows) * 0.3 * 0.7) ** 0.5
    assert judged >= 850


@needs_scan
def test_the_longest_answer_and_its_end_token_fit_the_generation(made: ScanJump) -> None:
    limit = yaml.safe_load((TEMPLATES / "_scan.yaml").read_text())["generation_kwargs"]["max_gen_toks"]
    longest = max(len(row["completion"].split()) for rows in made.items.values() for row in rows)
    assert longest == 24
    assert longest + 1 <= limit
