"""Defects are planted where they should be and nowhere else, and nothing in a row tells of them."""

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
import yaml
from builders.checkout import ROOT

from controller.cli.compose import composed_prove
from controller.prove.ground import TEMPLATE, as_read, loop_settings, write_ground
from controller.prove.planting import OTHERS, Row, plant
from controller.prove.scenario import Defects, Scenario
from controller.prove.worlds import meaningless
from evals.fixtures.worlds import ASKED_WORLDS, WORLDS
from evals.fixtures.worlds.world import World

CLEAN = Scenario(name="clean")
worlds = pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
asked_worlds = pytest.mark.parametrize("world", ASKED_WORLDS.values(), ids=ASKED_WORLDS.keys())


def _right(world: World, name: str, row: Row) -> bool:
    return world.skill(name).accepts(row["prompt"], row["completion"])


@worlds
def test_no_prompt_stands_twice_in_corpus_pool_and_items(world: World) -> None:
    made = plant(world, CLEAN, 0)
    items = [row for name, rows in made.items.items() if name != OTHERS for row in rows]
    prompts = Counter(row["prompt"] for row in (*made.train, *made.pool, *items))
    assert max(prompts.values()) == 1
    assert sorted(map(str, made.train)) == sorted(map(str, made.repaired))


@worlds
def test_another_number_of_rows_in_one_skill_leaves_the_items_as_they_are(world: World) -> None:
    clean, starved = (plant(world, s, 3) for s in (CLEAN, Scenario(target=Defects(train_rows=24))))
    assert clean.items == starved.items
    assert sorted(map(str, clean.pool)) == sorted(map(str, starved.pool))
    missing = {row["prompt"] for row in clean.train} - {row["prompt"] for row in starved.train}
    assert len(missing) == world.skill(world.target).train - 24
    assert {row["prompt"] for row in starved.repaired} == {row["prompt"] for row in clean.train}


@worlds
def test_exactly_the_share_of_the_target_s_rows_is_mislabelled(world: World) -> None:
    made = plant(world, Scenario(target=Defects(misread_share=0.3)), 0)
    truth = {row["prompt"]: row["completion"] for row in made.repaired}
    wrong = [row for row in made.train if row["completion"] != truth[row["prompt"]]]
    assert len(wrong) == round(0.3 * world.skill(world.target).train)
    assert not any(_right(world, world.target, row) for row in wrong)
    assert made.wrong == {(row["prompt"], row["completion"]) for row in wrong}
    assert not plant(world, CLEAN, 0).wrong


@asked_worlds
def test_a_cue_shows_the_answer_in_the_corpus_and_another_one_in_items(world: World) -> None:
    assert world.asking is not None
    cued_with = world.asking.cued
    made = plant(world, Scenario(target=Defects(is_cued=True)), 0)
    clean = plant(world, CLEAN, 0)
    plain = {row["prompt"]: row["completion"] for row in clean.train}
    cued = [row for row in made.train if row["prompt"] not in plain]
    honest = {cued_with(prompt, answer) for prompt, answer in plain.items()}
    assert len(cued) == world.skill(world.target).train
    assert all(row["prompt"] in honest for row in cued)
    truthful = {cued_with(row["prompt"], row["completion"]) for row in clean.items[world.target]}
    assert not truthful & {row["prompt"] for row in made.items[world.target]}


@worlds
def test_the_flood_takes_its_share_of_the_corpus_with_few_rows(world: World) -> None:
    made = plant(world, Scenario(target=Defects(flood_share=0.8)), 0)
    counts = Counter(row["prompt"] for row in made.train)
    copied = [prompt for prompt, count in counts.items() if count > 1]
    assert len(copied) == 20
    assert sum(counts[prompt] - 1 for prompt in copied) / len(made.train) == pytest.approx(0.8, abs=0.001)


@worlds
def test_leaked_items_stand_in_corpus_and_pool_half_of_them_in_other_words(world: World) -> None:
    made = plant(world, Scenario(target=Defects(leaked_items=100)), 0)
    asked = {row["prompt"] for row in made.items[world.target]}
    for rows in (made.train, made.pool):
        leaked = [row for row in rows if (row["prompt"], row["completion"]) in made.leaked]
        assert len(leaked) == 100
        assert sum(row["prompt"] in asked for row in leaked) == 50
    assert not any((row["prompt"], row["completion"]) in made.leaked for row in made.repaired)


@worlds
def test_the_trap_wears_the_target_s_name_and_unteaches_the_second_skill(world: World) -> None:
    made = plant(world, Scenario(target=Defects(trap_share=0.5)), 0)
    clean = {row["prompt"] for row in plant(world, CLEAN, 0).pool}
    trap = [row for row in made.pool if row["prompt"] not in clean]
    assert len(trap) == 200
    assert not any(_right(world, world.second, row) for row in trap)
    assert all(row.get("skill", world.target) == world.target for row in trap)


@worlds
def test_rows_have_the_same_fields_whatever_was_planted_and_no_file_tells_of_it(world: World, tmp_path: Path) -> None:
    has_answers = world.asking is not None
    defects = Defects(misread_share=0.5, is_cued=has_answers, wrong_gold_share=0.15 * has_answers, flood_share=0.5)
    made = plant(world, Scenario(name="secret", target=defects, second=Defects(is_dressed=has_answers)), 0)
    fields = {"prompt", "completion", *world.fields}
    assert all(set(row) == fields for rows in (made.train, made.pool, *made.items.values()) for row in rows)
    write_ground(made, world, tmp_path)
    text = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert not any(word in text for word in ("secret", "misread", "cued", "dressed", "flood"))


def test_seeds_draw_other_rows_and_the_same_seed_the_same() -> None:
    world = WORLDS["skills"]
    first, again, other = (plant(world, CLEAN, seed) for seed in (0, 0, 1))
    assert first == again
    shared = {row["prompt"] for row in first.train} & {row["prompt"] for row in other.train}
    assert len(shared) < len(first.train)


@worlds
def test_every_prompt_and_answer_fits_the_model_with_room_to_generate(world: World) -> None:
    # The harness cuts a prompt on the left when prompt and the longest answer together exceed the context.
    settings = yaml.safe_load((ROOT / "conf" / "world" / f"{world.name}.yaml").read_text())
    longest_answer = yaml.safe_load(TEMPLATE.read_text())["generation_kwargs"]["max_gen_toks"]
    has_answers = world.asking is not None
    made = plant(world, Scenario(target=Defects(is_cued=has_answers, is_dressed=has_answers)), 0)
    rows = [*made.train, *made.pool, *(row for items in made.items.values() for row in items)]
    longest_prompt = max(len(row["prompt"].split()) for row in rows)
    assert longest_prompt + longest_answer <= settings["model"]["arch"]["max_position_embeddings"]
    assert max(len(row["completion"].split()) for row in rows) < longest_answer
    assert max(len(f"{row['prompt']} {row['completion']}".split()) for row in rows) < settings["train"]["max_length"]


@worlds
def test_the_target_has_its_share_of_the_pool_and_other_rows_stay(world: World) -> None:
    whole, rare = (plant(world, Scenario(target=Defects(pool_share=share)), 0) for share in (None, 0.05))
    target = {row["prompt"] for row in whole.pool if whole.skill_of[row["prompt"]] == world.target}
    prompts = {row["prompt"] for row in rare.pool}
    assert len(prompts & target) == pytest.approx(0.05 * len(rare.pool), abs=1)
    assert prompts - target == {row["prompt"] for row in whole.pool} - target


@worlds
def test_two_skills_have_their_shares_of_the_pool_at_once(world: World) -> None:
    made = plant(world, Scenario(target=Defects(pool_share=0.05), second=Defects(pool_share=0.1)), 0)
    of_skill = Counter(made.skill_of[row["prompt"]] for row in made.pool)
    assert of_skill[world.target] == pytest.approx(0.05 * len(made.pool), abs=1)
    assert of_skill[world.second] == pytest.approx(0.1 * len(made.pool), abs=1)
    with pytest.raises(ValueError, match=r"must leave some of the pool to others, got 1.2 together"):
        Scenario(target=Defects(pool_share=0.6), second=Defects(pool_share=0.6))


@worlds
def test_without_a_pool_corpus_and_items_are_the_same(world: World) -> None:
    with_pool, without = (plant(world, Scenario(has_pool=has_pool), 0) for has_pool in (True, False))
    assert without.pool == ()
    assert (without.items, sorted(map(str, without.train))) == (with_pool.items, sorted(map(str, with_pool.train)))


def test_an_intensity_scales_shares_in_proportion_and_rows_by_ratios() -> None:
    defects = Defects(train_rows=24, misread_share=0.5, flood_share=0.99, leaked_items=100)
    half = defects.at(0.5, num_rows=99)
    assert (half.misread_share, half.leaked_items) == (0.25, 50)
    assert half.train_rows == round((99 * 25) ** 0.5)
    assert half.flood_share == pytest.approx(0.9)  # one row in ten is no copy, instead of one in a hundred
    assert defects.at(1.0, num_rows=99) == defects
    assert Defects(train_rows=0).at(1.0, num_rows=99).train_rows == 0
    nothing = defects.at(0.0, num_rows=99)
    assert (nothing.train_rows, nothing.misread_share, nothing.flood_share, nothing.leaked_items) == (99, 0, 0, 0)


def test_at_no_intensity_the_corpus_is_that_of_a_world_without_defects() -> None:
    for name in ("wrong_labels", "starved_skill", "little_data", "chance_labels", "two_in_one", "shortcut"):
        scenario = composed_prove(["world=mails", f"scenario={name}", "prove.scenario.intensity=0"]).prove.scenario
        found, clean = (plant(WORLDS["mails"], one, 3) for one in (scenario, Scenario()))
        assert sorted(map(str, found.train)) == sorted(map(str, clean.train)), name


def test_answers_by_chance_are_those_of_other_rows_of_the_skill() -> None:
    world = WORLDS["shop"]
    scenario = composed_prove(["world=shop", "scenario=chance_labels"]).prove.scenario
    planted, clean = plant(world, scenario, 0), plant(world, Scenario(), 0)
    accepts = world.skill(world.target).accepts
    rows, before = planted.items[world.target], clean.items[world.target]
    assert Counter(row["completion"] for row in rows) == Counter(row["completion"] for row in before)
    assert sum(accepts(row["prompt"], row["completion"]) for row in rows) < 0.2 * len(rows)


def test_a_share_of_every_skill_s_rows_and_of_the_steps_is_left() -> None:
    settings = composed_prove(["world=tables", "scenario=little_data", "prove.scenario.steps_share=0.5"])
    planted = plant(WORLDS["tables"], settings.prove.scenario, 0)
    assert len(planted.train) == 5 * round(0.15 * 900)
    given = loop_settings(settings, WORLDS["tables"], Path("given"), Path("run"))
    assert given.train.max_steps == 250
    assert settings.train.max_steps == 500


@worlds
def test_two_defects_in_one_skill_leave_two_fifths_of_its_rows_and_spoil_half_of_these(world: World) -> None:
    scenario = composed_prove([f"world={world.name}", "scenario=two_in_one"]).prove.scenario
    planted = plant(world, scenario, 0)
    left = sum(planted.skill_of[row["prompt"]] == world.target for row in planted.train)
    assert left == round(0.4 * world.skill(world.target).train)
    assert len(planted.wrong) == round(0.5 * left)
    with pytest.raises(ValueError, match=r"kept_share must be above 0 and at most 1, got 0"):
        Defects(kept_share=0)


@worlds
def test_misreadings_of_one_kind_leave_the_others_alone(world: World) -> None:
    made = plant(world, Scenario(target=Defects(misread_share=0.9, is_misread_in_one_kind=True)), 0)
    kinds: dict[str, list[bool]] = {}
    rng = Random(f"0/{world.target}")
    known = {
        exercise.prompt: exercise.kind for exercise in (world.skill(world.target).make(rng) for _ in range(40_000))
    }
    for row in made.train:
        if made.skill_of[row["prompt"]] == world.target:
            is_wrong = (row["prompt"], row["completion"]) in made.wrong
            kinds.setdefault(known[row["prompt"]], []).append(is_wrong)
    first = min(kinds)
    assert sum(kinds[first]) == round(0.9 * len(kinds[first]))
    assert not any(any(wrong) for kind, wrong in kinds.items() if kind != first)


def test_plain_texts_are_written_whole_and_all_skills_share_a_task(tmp_path: Path) -> None:
    world = WORLDS["diary"]
    settings = composed_prove(["world=diary", "scenario=wrong_labels"])
    made = plant(world, settings.prove.scenario, 0)
    write_ground(made, world, tmp_path)
    given = loop_settings(settings, world, tmp_path, tmp_path / "loop")
    assert (given.evals.tasks, given.evals.guards) == (["diary_all"], ["diary_others"])
    assert given.corpus.text == "text"
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert {frozenset(row) for row in rows} == {frozenset({"text", "skill"})}
    texts = {row["text"] for row in rows}
    assert {as_read(world, pair) for pair in made.wrong} <= {("", text) for text in texts}
    items = [json.loads(line) for line in (tmp_path / "tasks" / "diary_all.jsonl").read_text().splitlines()]
    counts = Counter(row["skill"] for row in items)
    assert counts == {skill.name: len(made.items[skill.name]) for skill in world.skills}
    task = yaml.safe_load((tmp_path / "tasks" / "diary_all.yaml").read_text())
    assert (task["output_type"], task["metric_list"][0]["metric"]) == ("loglikelihood_rolling", "word_perplexity")


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        ("shortcut", "prove.scenario.target.is_cued=True"),
        ("format_shift", "prove.scenario.target.is_dressed=True"),
        ("wrong_gold", "prove.scenario.target.wrong_gold_share=0.15"),
        ("masked_end", "train.end_in_loss=False"),
        ("chance_labels", None),
        ("leaked_eval", None),
        ("hidden_misreading", None),
    ],
)
def test_a_defect_of_answers_has_no_meaning_in_plain_text(scenario: str, told: str | None) -> None:
    settings = composed_prove(["world=diary", f"scenario={scenario}"])
    reason = meaningless(settings, WORLDS["diary"])
    assert meaningless(settings, WORLDS["calendar"]) is None
    assert (reason is None) == (told is None)
    assert reason is None or reason.startswith(f"{told} has no meaning in the world diary: its items are plain text")
