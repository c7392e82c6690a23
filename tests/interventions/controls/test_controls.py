"""Controls: each differs from its fix in one thing, and in nothing else."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from builders.findings import (
    JUMP,
    NO_ITEMS,
    Prompts,
    corpus,
    diagnosis,
    finding,
    kinds_of,
    pool,
    pool_of,
    proposed,
    share_of,
)

from diagnose.finding.finding import Cause, Diagnosis, Finding
from diagnose.model.losses import RowLosses
from diagnose.rows.pool import TrainPool, concatenated
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice, row_members
from interventions.controls import CONTROLS, control_of
from interventions.controls.contest import Contest, ControlMix
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight
from interventions.mix.mix import TrainingMix
from interventions.plan.plan import Action
from interventions.plan.step import Declined, Intervention

SKILLS = ("jump", "walk", "look", "run", "turn")


def by_place(rows: TrainPool) -> RowLosses:
    return RowLosses(np.arange(len(rows), dtype=np.float32), 7)


def by_id(rows: TrainPool) -> RowLosses:
    return RowLosses(np.array([int(row_id.rsplit("-", 1)[1]) for row_id in rows.rows["id"]], np.float32), 7)


def skilled(side: str, num_rows: dict[str, int]) -> TrainPool:
    """Rows whose prompt begins with their skill, which is also a field."""
    prompts = [f"{skill} {side} {i}" for skill, number in num_rows.items() for i in range(number)]
    skills: list[object] = [prompt.split()[0] for prompt in prompts]
    return pool_of(prompts, side, skill=skills)


def skilled_pool() -> TrainPool:
    return skilled("new", dict.fromkeys(SKILLS, 200) | {"turn": 12})


def contest(
    found: Diagnosis,
    intervention: Intervention,
    *,
    old: TrainPool | None = None,
    new: TrainPool | None = None,
    index: Prompts = NO_ITEMS,
    losses: Callable[[TrainPool], RowLosses] = by_place,
    max_rows: int | None = None,
    by_words: Diagnosis | None = None,
    seed: int = 0,
) -> Contest:
    done = proposed(intervention, found, old=old, new=new, index=index, seed=seed)
    return Contest(
        intervention=intervention,
        diagnosis=found,
        plan=done.plan,
        mix=done.mix,
        resources=done.resources,
        row_fields=("skill",),
        max_rows=max_rows,
        row_losses=losses,
        without_influence=lambda: by_words if by_words is not None else found,
    )


def adding(num_examples: int = 100, new: TrainPool | None = None, **further: object) -> Contest:
    """A contest with a retrieval of `jump`."""
    found = diagnosis(replace(finding(Cause.MISSING_DATA), queries=("jump new asked",)))
    return contest(found, Retrieve(num_examples=num_examples), new=new or skilled_pool(), **further)  # type: ignore[arg-type]


def made(name: str, against: Contest) -> ControlMix:
    done = CONTROLS[name].mix(against)
    assert isinstance(done, ControlMix), done.reason
    return done


def why_not(name: str, against: Contest) -> str:
    done = CONTROLS[name].mix(against)
    assert isinstance(done, Declined)
    return done.reason


def changed(mix: TrainingMix) -> TrainPool:
    """Rows that the control chose."""
    return mix.examples.select(np.flatnonzero(kinds_of(mix) != "original"))


def by_skill(mix: TrainingMix) -> Counter[str]:
    return Counter(prompt.split()[0] for prompt in changed(mix).rows["prompt"][:])


def with_walk() -> Diagnosis:
    """What a worse attribution would say."""
    walk = Slice(((PROMPT_CONTAINS, "walk"),))
    return diagnosis(finding(Cause.MISSING_DATA, walk))


REPLACING = ("random", "stratified", "bm25", "loss", "shuffled", "no_influence")
BY_CHANCE = ("random", "stratified", "shuffled")


@pytest.mark.parametrize("name", REPLACING)
def test_every_control_adds_as_many_rows_with_the_same_share_as_the_fix(name: str) -> None:
    done = made(name, adding(by_words=with_walk()))
    assert len(changed(done.mix)) == 100
    assert share_of(done.mix, "original") == pytest.approx(0.5)
    assert len(set(changed(done.mix).rows["id"][:])) == 100
    assert done.what


@pytest.mark.parametrize("name", CONTROLS)
def test_no_arm_lets_an_evaluation_item_in(name: str) -> None:
    new = skilled_pool()
    items = Prompts([*new.rows["prompt"][::2], "jump old 3", "walk old 7"])
    done = made(name, adding(new=new, index=items, by_words=with_walk()))
    assert not items.prompts & set(done.mix.examples.rows["prompt"][:])
    raised = contest(diagnosis(finding(Cause.UNDERWEIGHTED)), Reweight(), new=new, index=items, by_words=with_walk())
    done_raising = CONTROLS[name].mix(raised)
    if isinstance(done_raising, ControlMix):
        assert not items.prompts & set(done_raising.mix.examples.rows["prompt"][:])


def test_continue_is_the_corpus_with_equal_weights() -> None:
    mix = made("continue", adding()).mix
    assert np.allclose(mix.weights, 1 / 500)
    assert set(kinds_of(mix)) == {"original"}


def test_the_random_control_draws_from_the_whole_pool() -> None:
    mix = made("random", adding(new=pool())).mix
    assert 0.15 < row_members(JUMP, changed(mix)).mean() < 0.45  # .3 of the pool


def test_a_pool_that_contains_the_corpus_is_drawn_from_as_a_whole() -> None:
    # Without the rows of the corpus the rest of the pool would be the failing skill alone.
    old = corpus(num_jump=0)
    new = pool_of([*old.rows["prompt"][:], *(f"jump new {i}" for i in range(210))], "pool")
    mix = made("random", adding(200, new=new, old=old)).mix
    assert 0.2 < row_members(JUMP, changed(mix)).mean() < 0.4  # .3 of the pool


def test_a_reweighting_faces_a_raised_slice_at_random_that_the_diagnosis_does_not_blame() -> None:
    old = skilled("old", dict.fromkeys(SKILLS, 100) | {"jump": 10, "turn": 4})
    raised = [contest(diagnosis(finding(Cause.UNDERWEIGHTED)), Reweight(), old=old, seed=seed) for seed in range(20)]
    fix_share = raised[0].plan.actions[0].share
    skills = set()
    for against in raised:
        mix = made("random", against).mix
        assert share_of(mix, "random") == pytest.approx(fix_share)
        assert len(mix.examples) == len(old)
        ((skill, number),) = by_skill(mix).items()
        assert number == 10
        skills.add(skill)
    assert skills == {"walk", "look", "run"}  # `turn` is too small


def test_without_known_slices_a_reweighting_faces_random_rows() -> None:
    mix = made("random", contest(diagnosis(finding(Cause.UNDERWEIGHTED)), Reweight())).mix
    assert len(changed(mix)) == 10
    assert share_of(mix, "random") > 0


def removing(number: int, losses: Callable[[TrainPool], RowLosses] = by_place) -> Contest:
    """A removal of rows of `jump`, as a plan would have it."""
    against = adding(losses=losses, old=skilled("old", dict.fromkeys(SKILLS, 100)))
    items = against.plan.actions[0].items
    action = Action("remove", JUMP, items, 0, number, 0, 0.1, "wrong")
    return replace(against, plan=replace(against.plan, actions=(action,)))


def test_a_removal_faces_a_random_removal_of_the_same_size() -> None:
    mix = made("random", removing(40)).mix
    left = Counter(prompt.split()[0] for prompt in mix.examples.rows["prompt"][:])
    assert len(mix.examples) == 460
    assert all(85 <= count < 100 for count in left.values())
    assert set(kinds_of(mix)) == {"original"}
    assert np.allclose(mix.weights, 1 / 460)


def test_a_removal_by_loss_takes_the_rows_of_the_highest() -> None:
    wrong = {f"walk old {i}" for i in range(25)}

    def losses(rows: TrainPool) -> RowLosses:
        return RowLosses(np.array([9.0 if p in wrong else 1.0 for p in rows.rows["prompt"][:]], np.float32), 7)

    mix = made("loss", removing(25, losses)).mix
    assert not wrong & set(mix.examples.rows["prompt"][:])
    assert len(mix.examples) == 475


def test_stratified_gives_every_slice_the_same_share() -> None:
    mix = made("stratified", adding(50)).mix
    assert by_skill(mix) == dict.fromkeys(SKILLS, 10)
    weights = np.array([mix.weights[i] for i in np.flatnonzero(kinds_of(mix) == "stratified")])
    assert np.allclose(weights, 0.5 / 50)


def test_a_small_slice_gives_what_it_has_to_stratified() -> None:
    assert by_skill(made("stratified", adding(100)).mix) == dict.fromkeys(SKILLS, 22) | {"turn": 12}


def test_stratified_takes_sources_where_rows_have_no_fields() -> None:
    new = pool_of([f"jump new {i}" for i in range(300)], "a")
    rows = new.rows.add_column("of", ["a"] * 270 + ["b"] * 30).remove_columns("source").rename_column("of", "source")
    mix = made("stratified", adding(40, new=TrainPool(rows))).mix
    assert Counter(changed(mix).rows["source"][:]) == {"a": 20, "b": 20}
    assert "it would be a random draw" in why_not("stratified", adding(new=pool()))


def test_the_bm25_control_retrieves_rows_that_share_words_with_failing_items() -> None:
    near = [f"fetch the crimson lantern {i}" for i in range(30)]
    new = pool_of([*(f"jump plain {i}" for i in range(300)), *near, *(f"bring a {i}" for i in range(300))], "pool")
    found = diagnosis(replace(finding(Cause.MISSING_DATA), queries=("carry a crimson lantern", "that crimson lantern")))
    mix = made("bm25", contest(found, Retrieve(num_examples=30), new=new)).mix
    assert set(changed(mix).rows["prompt"][:]) == set(near)


def test_failing_items_take_turns_in_the_bm25_control() -> None:
    new = pool_of([f"{skill} pool {i}" for skill in SKILLS for i in range(100)], "pool")
    found = diagnosis(replace(finding(Cause.MISSING_DATA), queries=("jump it", "jump that", "run", "look")))
    assert by_skill(made("bm25", contest(found, Retrieve(num_examples=40), new=new)).mix)["jump"] in (19, 20, 21)


def test_the_loss_control_takes_the_rows_that_the_champion_finds_hardest_and_counts_its_tokens() -> None:
    hard = {f"look new {i}" for i in range(60)}

    def losses(rows: TrainPool) -> RowLosses:
        prompts = rows.rows["prompt"][:]
        return RowLosses(np.array([5.0 if p in hard else 1.0 for p in prompts], np.float32), 3 * len(prompts))

    done = made("loss", adding(60, losses=losses))
    assert set(changed(done.mix).rows["prompt"][:]) == hard
    assert done.num_tokens == 3 * 812
    assert made("loss", adding(60, losses=losses, max_rows=100)).num_tokens == 300


def test_shuffled_never_acts_on_a_failing_slice() -> None:
    failing_too = finding(Cause.CAPACITY, Slice((("skill", "walk"),)), Slice((("skill", "walk"),)))
    found = diagnosis(finding(Cause.MISSING_DATA), failing_too)
    for seed in range(10):
        done = made("shuffled", contest(found, Retrieve(num_examples=90), new=skilled_pool(), seed=seed))
        # `turn` has too few rows for a third, so the other two that do not fail give what it cannot.
        assert set(by_skill(done.mix)) == {"look", "run", "turn"}
        assert len(changed(done.mix)) == 90
    assert "skill = look" in done.what


def test_shuffled_divides_the_fix_among_three_slices_of_its_size() -> None:
    new = skilled("new", dict.fromkeys([*SKILLS, "sit"], 200) | {"turn": 12})
    seen = set()
    for seed in range(20):
        counts = by_skill(made("shuffled", adding(90, new=new, seed=seed)).mix)
        assert sorted(counts.values()) == [30, 30, 30]
        seen |= set(counts)
    assert seen == {"walk", "look", "run", "sit"}


def test_shuffled_raises_rows_where_the_fix_raises_rows() -> None:
    old = skilled("old", dict.fromkeys(SKILLS, 100) | {"jump": 12})
    against = contest(diagnosis(finding(Cause.UNDERWEIGHTED)), Reweight(), old=old)
    mix = made("shuffled", against).mix
    assert sorted(by_skill(mix).values()) == [4, 4, 4]
    assert "jump" not in by_skill(mix)
    assert share_of(mix, "shuffled") == pytest.approx(against.plan.actions[0].share)


def test_without_fields_shuffled_finds_slices_by_words() -> None:
    new = pool_of([f"{skill} thing {i}" for skill in SKILLS for i in range(100)], "pool")
    counts = by_skill(made("shuffled", adding(90, new=new)).mix)
    assert len(counts) == 3
    assert "jump" not in counts


def test_where_everything_fails_there_is_nothing_to_shuffle() -> None:
    new = pool_of([f"jump new {i}" for i in range(200)], "pool")
    assert "no slice is known that does not fail" in why_not("shuffled", adding(new=new))


def test_without_influence_the_same_planner_acts_on_the_slice_that_bm25_names() -> None:
    other = finding(Cause.MISSING_DATA, Slice((("skill", "run"),)), Slice((("task", "another"),)))
    by_words = diagnosis(*with_walk().findings, other)
    done = made("no_influence", adding(by_words=by_words))
    assert by_skill(done.mix) == {"walk": 100}  # the plan acts on one failing slice, so does the ablation
    assert done.what == "retrieve: prompt contains 'walk'"


def test_where_bm25_names_the_same_slice_the_ablation_is_the_fix_and_not_trained() -> None:
    assert "influence functions were not needed here" in why_not("no_influence", adding())


def test_where_bm25_names_no_slice_the_loop_would_have_changed_nothing() -> None:
    nothing: Finding = replace(finding(Cause.UNKNOWN), data_slices=())
    assert "nothing is changed, as in continue" in why_not("no_influence", adding(by_words=diagnosis(nothing)))


def test_a_control_of_a_source_takes_rows_of_that_source_alone() -> None:
    books = pool_of([f"walk new {i}" for i in range(200)], "books")
    web = pool_of([f"jump new {i}" for i in range(400)], "web")
    new = replace(web, rows=concatenated([books.rows, web.rows]))
    against = adding(new=new)
    own = control_of("from:books")
    assert own is not None
    done = own.mix(against)
    assert isinstance(done, ControlMix)
    rows = changed(done.mix)
    assert (set(rows.rows["source"][:]), len(rows)) == ({"books"}, 100)
    assert share_of(done.mix, "original") == pytest.approx(0.5)
    nowhere = control_of("from:nowhere")
    assert nowhere is not None
    assert nowhere.mix(against) == Declined("no row that could be added is of the source nowhere")


@pytest.mark.parametrize("name", REPLACING)
def test_only_a_control_by_chance_takes_other_rows_at_another_draw_and_as_many(name: str) -> None:
    against = adding(by_words=with_walk(), seed=3, losses=by_id)
    first, second = (set(changed(made(name, replace(against, draw=draw)).mix).rows["id"][:]) for draw in (0, 1))
    assert len(first) == len(second) == 100
    assert CONTROLS[name].is_by_chance == (name in BY_CHANCE) == (first != second)


@pytest.mark.parametrize("name", REPLACING)
def test_a_control_is_a_function_of_its_seed(name: str) -> None:
    first, again = (changed(made(name, adding(by_words=with_walk(), seed=3)).mix).rows["id"][:] for _ in range(2))
    assert first == again
