"""What a request may bring to a command line, and what it may not; nothing is stored of what is refused."""

import os
from pathlib import Path

import pytest

from controller.cli.compose import composed
from service.home import Home
from service.loops.recipes import checked, read_recipe, words_of
from service.requests.service import Service
from service.store import loops
from service.store.database import Database

HOSTILE = [
    "${oc.env:HOME}",
    "_target_",
    "../..",
    "/etc/passwd",
    "a\nrun_dir=/tmp/x",
    "a\n",
    "a b",
    "a'b",
    'a"b',
    "a,b",
    "[1,2]",
    "{_target_: os.system}",
    "$(reboot)",
    "a;b",
    "--config-dir=/tmp",
    "-m",
    "",
    ".",
    "..",
    "\x00",
    "a\x1b[31m",
    "x" * 10_000,
    "\u202eevil",
    "ａ",
]


@pytest.mark.parametrize("field", ["seed", "rate", "sealed", "title", "fix"])
def test_a_hostile_value_is_refused_in_one_line_and_nothing_is_stored(
    service: Service, home: Home, database: Database, field: str
) -> None:
    for value in HOSTILE:
        with pytest.raises(ValueError, match=f"field {field}: ") as refused:
            service.submit("smoke", {field: value}, "me")
        assert str(refused.value).isprintable()  # on one line, and nothing that a terminal would obey
        assert len(str(refused.value)) < 300
    assert loops.ids(database) == []
    assert list(home.runs.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", -1),
        ("seed", 1001),
        ("seed", 1.5),
        ("seed", "1e3"),
        ("seed", [1]),
        ("seed", 10**400),
        ("rate", 0.2),
        ("rate", float("nan")),
        ("rate", "inf"),
        ("sealed", "maybe"),
        ("title", 3),
        ("fix", "auto"),
        ("fix", {"_target_": "os.system"}),
    ],
)
def test_a_value_of_another_type_or_out_of_bounds_is_refused(service: Service, field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"field {field}: "):
        service.submit("smoke", {field: value}, "me")


@pytest.mark.parametrize("name", ["run_dir", "seed ", "train.max_steps", "_target_", "x" * 10_000])
def test_a_field_that_the_recipe_does_not_open_is_refused_with_those_that_it_does(service: Service, name: str) -> None:
    with pytest.raises(ValueError, match=r"opens no field .*; it opens fix, rate, sealed, seed, title"):
        service.submit("smoke", {name: 1}, "me")


@pytest.mark.parametrize("name", ["smok", "../smoke", "smoke.yaml", "", "x" * 10_000, "a\nb", "/etc/passwd"])
def test_an_unknown_recipe_is_refused(service: Service, database: Database, name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown recipe .*smoke"):
        service.submit(name, {}, "me")
    assert loops.ids(database) == []


def test_checked_values_reach_the_settings_of_the_loop_as_they_are(service: Service, home: Home) -> None:
    given = {"seed": "7", "rate": 0.0125, "sealed": "true", "title": "null", "fix": "retrieve"}
    loop = service.submit("smoke", given, "me")
    settings = composed([*loop.words, f"run_dir={home.runs / loop.id}"])
    assert (settings.seed, settings.train.learning_rate, settings.train.initial) == (7, 0.0125, True)
    assert settings.name == "null"  # a text that only looks like nothing
    assert type(settings.interventions).__name__ == "Retrieve"
    assert (settings.tracking.uri, settings.budget.rounds) == ("none", 1)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("experiment: smoke\nfields: {a: {type: int, key: seed}}", "need min and max"),
        ("experiment: smoke\nfields: {a: {type: choice, key: seed, choices: ['a b']}}", "choices must be names"),
        ("experiment: smoke\nfields: {a: {type: name, key: run_dir}}", "set by the service"),
        ("experiment: smoke\nfields: {a: {type: name, key: 'x y'}}", "pattern"),
        ("experiment: smoke\nwords: [run_dir=/tmp]", "words must be key=value"),
        ("experiment: smoke\nwords: [--config-dir=/tmp]", "words must be key=value"),
        ("experiment: ../smoke", "pattern"),
        ("experiment: none_such", "no file of conf/experiment"),
        ("experiment: smoke\nother: 1", "other: "),
        ("- smoke", "dictionary"),
        ("experiment: [", "while parsing"),
    ],
)
def test_a_recipe_that_is_wrong_is_named_with_what_is_wrong(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=f"recipe {tmp_path / 'mine.yaml'} .*{what}"):
        read_recipe(tmp_path, "mine")


def test_a_recipe_may_name_experiments_of_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "mine.yaml").write_text("name: mine\n")
    (tmp_path / "mine.yaml").write_text("experiment: mine\nconfig_dir: own\n")
    words = words_of(read_recipe(tmp_path, "mine"), {}, tmp_path)
    assert words == ["--config-dir", os.fspath(tmp_path / "own"), "experiment=mine"]


def test_the_recipes_that_a_new_home_is_given_can_be_read() -> None:
    folder = Path(read_recipe.__code__.co_filename).parent / "first_recipes"
    for name in ("starter", "smoke"):
        recipe = read_recipe(folder, name)
        assert words_of(recipe, checked(recipe, {"seed": "3"}), folder) == [f"experiment={name}", "seed=3"]
