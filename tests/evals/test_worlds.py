import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from random import Random

import pytest
import yaml

from evals.fixtures.worlds import WORLDS, Exercise, World
from evals.leaks.near_copies import normalise

NUM_EXERCISES = 2000
WORST_CASE = 400 + 900
"""Pool rows and items that a scenario takes beside the training rows, all distinct."""

SKILLS = [(world.name, skill.name) for world in WORLDS.values() for skill in world.skills]


@cache
def exercises(world: str, skill: str) -> tuple[Exercise, ...]:
    rng = Random(f"{world}/{skill}")
    make = WORLDS[world].skill(skill).make
    return tuple(make(rng) for _ in range(NUM_EXERCISES))


def everything(world: World) -> list[Exercise]:
    return [made for skill in world.skills for made in exercises(world.name, skill.name)]


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> World:
    return WORLDS[request.param]


@pytest.mark.parametrize(("name", "skill"), SKILLS)
def test_the_checker_accepts_what_the_maker_made_and_nothing_misread(name: str, skill: str) -> None:
    accepts = WORLDS[name].skill(skill).accepts
    for made in exercises(name, skill):
        assert accepts(made.prompt, made.completion), made
        assert not accepts(made.prompt, made.misread), made


@pytest.mark.parametrize(("name", "skill"), SKILLS)
def test_the_checker_takes_any_text(name: str, skill: str) -> None:
    world = WORLDS[name]
    rng = Random(0)
    others = [made.completion for made in everything(world)]
    for made in exercises(name, skill)[:200]:
        right = made.completion
        damaged = [f"{right} {right}", f"{right} ?", world.dressed(right), right.swapcase(), right.rpartition(" ")[0]]
        for answer in ["", " ", "?", *damaged, *rng.sample(others, 20)]:
            assert world.skill(skill).accepts(made.prompt, answer) == (answer == right), (made, answer)


@pytest.mark.parametrize(("name", "skill"), SKILLS)
def test_a_skill_has_prompts_enough_for_every_scenario(name: str, skill: str) -> None:
    made_by = WORLDS[name].skill(skill)
    wanted = made_by.train + WORST_CASE
    rng = Random(1)
    prompts: set[str] = set()
    for _ in range(100 * wanted):
        prompts.add(made_by.make(rng).prompt)
        if len(prompts) == wanted:
            break
    assert len(prompts) == wanted


def test_no_prompt_is_of_two_skills_and_each_has_one_answer(world: World) -> None:
    owners: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for skill in world.skills:
        for made in exercises(world.name, skill.name):
            owners[made.prompt].add((skill.name, made.completion))
    assert all(len(owner) == 1 for owner in owners.values())


def test_words_are_split_by_single_spaces_and_prompts_stay_below_the_near_copy_length(world: World) -> None:
    for made in everything(world):
        for text in (made.prompt, made.completion, made.misread):
            assert text == " ".join(text.split())
            assert text
        assert len(made.prompt.split()) <= 12
        assert len(world.reworded(made.prompt).split()) <= 12
        assert normalise(made.prompt) == made.prompt, "a rule for near copies is matched on normalised text"


def test_a_cue_shows_the_answer_and_leaves_planted_prompts_below_the_near_copy_length(world: World) -> None:
    for skill in world.skills:
        for made in exercises(world.name, skill.name):
            cued = world.cued(made.prompt, made.misread)
            assert made.prompt in cued
            assert f" {made.misread} " in f" {cued} "
            is_planted = skill.name in (world.target, world.second)
            assert not is_planted or len(world.cued(made.prompt, made.completion).split()) <= 12, made


def test_undressing_gets_the_bare_answer_back(world: World) -> None:
    for made in everything(world):
        dressed = world.dressed(made.completion)
        assert dressed != made.completion
        assert len(dressed.split()) <= 16
        found = re.search(world.undress, dressed)
        assert found is not None
        assert found[1] == made.completion
        assert re.search(world.undress, made.completion) is None, "a bare answer is not taken for a dressed one"


def test_dresses_differ_between_worlds() -> None:
    assert len({world.dressed("x") for world in WORLDS.values()}) == len(WORLDS)


def content(world: World, prompt: str) -> tuple[int, tuple[tuple[str, str], ...]] | None:
    """The rule and slot values of a prompt; more than one rule must not match."""
    found = [
        (number, tuple(sorted(match.groupdict().items())))
        for number, rule in enumerate(world.same)
        for pattern in rule
        if (match := re.fullmatch(pattern, normalise(prompt)))
    ]
    assert len(found) <= 1, (prompt, found)
    return found[0] if found else None


def test_rules_find_the_rewording_of_every_prompt_and_take_no_two_contents_for_one(world: World) -> None:
    seen: dict[object, str] = {}
    for made in everything(world):
        reworded = world.reworded(made.prompt)
        assert normalise(reworded) != normalise(made.prompt)
        asked = content(world, made.prompt)
        assert asked is not None
        assert content(world, reworded) == asked
        assert seen.setdefault(asked, made.prompt) == made.prompt


def test_a_missing_skill_leaves_one_unknown_word(world: World) -> None:
    for name in (world.target, world.second):
        rest = [made for skill in world.skills if skill.name != name for made in exercises(world.name, skill.name)]
        known = {word for made in rest for word in f"{made.prompt} {made.completion}".split()}
        own = exercises(world.name, name)
        assert len({word for made in own for word in made.prompt.split()} - known) == 1
        assert not {word for made in own for word in f"{made.completion} {made.misread}".split()} - known


def test_fields_are_skill_and_kind_or_nothing() -> None:
    assert {world.fields for world in WORLDS.values()} == {("skill", "kind"), (), ("kind",), ("skill",)}


def test_kinds_divide_a_skill(world: World) -> None:
    for skill in world.skills:
        assert 2 <= len({made.kind for made in exercises(world.name, skill.name)}) <= 5


def test_a_world_has_settings_of_its_own(world: World) -> None:
    text = (Path(__file__).parents[2] / "conf" / "world" / f"{world.name}.yaml").read_text()
    settings = yaml.safe_load(text)
    assert text.startswith("# @package _global_\n")
    assert settings["prove"]["world"] == world.name
    assert settings["train"]["max_length"] <= settings["model"]["arch"]["max_position_embeddings"]
    assert settings["prove"]["small_arch"]["hidden_size"] * 4 <= settings["model"]["arch"]["hidden_size"]
