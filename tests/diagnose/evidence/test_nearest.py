"""Rows that no predicate joins: the nearest ones are found where they are, and none where there are none."""

from dataclasses import replace

import numpy as np
import pytest
from builders.natural_text import case_of, films, joined, probe, rows_of

from diagnose.rows.pool import TrainPool
from diagnose.slices.data.data_slice import DataSlice
from diagnose.slices.data.find import DataJoin
from diagnose.slices.listed import NEAREST
from diagnose.slices.predicate import PROMPT_CONTAINS, Slice, row_members
from evals.statistics.intervals import Interval

OTHERS = {"law": 300, "plants": 300, "ships": 300}


def recall_and_precision(where: Slice, rows: TrainPool) -> tuple[float, float]:
    found, true = row_members(where, rows), np.array(rows.rows["kind"][:]) == "films"
    return float(found[true].mean()), float(true[found].mean())


@pytest.mark.parametrize("seed", [0, 1])
def test_the_rows_behind_a_failing_natural_task_are_found_in_corpus_and_pool(seed: int) -> None:
    corpus, pool = rows_of({"films": 60, **OTHERS}, "train", seed), rows_of({"films": 200, **OTHERS}, "pool", seed)
    (found,) = joined(case_of(probe(films(200)), corpus, pool)).slices
    for rows in (corpus, pool):
        recall, precision = recall_and_precision(found.slice, rows)
        assert recall > 0.9
        assert precision > 0.9
    assert found.slice.conditions == ((NEAREST, "task = films"),)
    assert found.num_examples == row_members(found.slice, corpus).sum()
    assert found.num_pool == row_members(found.slice, pool).sum()


def test_a_corpus_without_any_has_none_while_the_pool_has_them_all() -> None:
    corpus, pool = rows_of(OTHERS, "train"), rows_of({"films": 200, **OTHERS}, "pool")
    (found,) = joined(case_of(probe(films(200)), corpus, pool)).slices
    assert found.num_examples == 0
    assert recall_and_precision(found.slice, pool)[0] > 0.9


def test_where_neither_has_any_there_is_no_data_slice() -> None:
    case = case_of(probe(films(200)), rows_of(OTHERS, "train"), rows_of(OTHERS, "pool"))
    assert joined(case).slices == ()


def test_a_corpus_of_nothing_else_has_nearly_all_of_its_rows_in_the_data_slice() -> None:
    corpus = rows_of({"films": 400}, "train")
    (found,) = joined(case_of(probe(films(200)), corpus, None)).slices
    assert found.num_examples > 0.9 * len(corpus)


def test_a_template_around_the_questions_changes_nothing() -> None:
    corpus = rows_of({"films": 60, **OTHERS}, "train")
    asked = films(200)
    plain = joined(case_of(probe(asked), corpus, None))
    template = "Answer the question below with one word only .\nQuestion : {}\nYour answer , please :"
    assert joined(case_of(probe(asked, template), corpus, None)) == plain


def test_the_nearest_and_the_farthest_rows_are_shown_with_their_degrees() -> None:
    corpus = rows_of({"films": 60, **OTHERS}, "train")
    (found,) = joined(case_of(probe(films(200)), corpus, None)).slices
    assert found.nearness is not None
    nearest = [row.score for row in found.nearness.nearest]
    farthest = [row.score for row in found.nearness.farthest]
    assert len(nearest) == len(farthest) == 3
    assert 1 >= nearest[0] >= nearest[1] >= nearest[2] > farthest[2] >= farthest[1] >= farthest[0] >= 0
    assert found.nearness.views == ("words",)


def test_rows_that_attribution_relates_to_the_items_in_either_direction_are_nearer() -> None:
    corpus = rows_of({"films": 100, **OTHERS}, "train")
    is_film = np.array(corpus.rows["kind"][:]) == "films"
    rng = np.random.default_rng(0)
    # Half of them have a wrong answer and work against the items.
    cosine = np.where(is_film, 0.5 * rng.choice([-1, 1], len(corpus)), 0.0) + rng.normal(0, 0.1, len(corpus))
    (found,) = joined(case_of(probe(films(200)), corpus, None), cosine=cosine).slices
    assert found.nearness is not None
    assert found.nearness.views == ("words", "attribution")
    recall, precision = recall_and_precision(found.slice, corpus)
    assert recall > 0.9
    assert precision > 0.95
    inside = row_members(found.slice, corpus)
    assert (cosine[inside] < 0).mean() == pytest.approx(0.5, abs=0.15)
    assert found.ci.low < found.effect < found.ci.high


def test_where_a_predicate_joins_nearness_is_not_asked() -> None:
    case = case_of(probe(films(200)), rows_of({"films": 60, **OTHERS}, "train"), None)
    field = DataSlice(Slice((("topic", "films"),)), 1.0, Interval(0.5, 1.5), 60, 0)
    by_field = DataJoin((field,), 1.0, None)
    assert joined(case, by_field) == by_field
    unconfirmed = DataJoin((), None, field.slice)
    assert joined(case, unconfirmed) == unconfirmed


def test_a_run_of_words_that_nothing_else_speaks_for_gives_way_to_near_rows_where_there_are_any() -> None:
    template = Slice(((PROMPT_CONTAINS, "Question :"),))
    run = DataJoin((DataSlice(template, 0.0, Interval(0.0, 0.0), 0, 0),), 1.0, None, is_by_words=True)
    have = case_of(probe(films(200)), rows_of({"films": 60, **OTHERS}, "train"), None)
    lack = case_of(probe(films(200)), rows_of(OTHERS, "train"), None)
    assert joined(have, run).slices[0].slice.conditions == ((NEAREST, "task = films"),)
    assert joined(lack, run) == run


def test_in_a_closed_grammar_words_name_the_skill_and_near_rows_another_one() -> None:
    rng = np.random.default_rng(0)
    asked = [" ".join(["jump", *rng.permutation(["left", "right", "twice", "around", "and"])]) for _ in range(100)]
    corpus = rows_of({"films": 60}, "train")
    assert joined(case_of(probe(asked), corpus, None)).slices == ()


def test_of_a_few_failed_items_nobody_knows_how_near_they_lie_to_each_other() -> None:
    corpus = rows_of({"films": 400}, "train")
    assert joined(case_of(probe(films(19)), corpus, None)).slices == ()


def test_without_its_list_a_slice_of_near_rows_holds_nowhere() -> None:
    corpus = rows_of({"films": 60, **OTHERS}, "train")
    (found,) = joined(case_of(probe(films(200)), corpus, None)).slices
    assert row_members(found.slice, corpus).any()
    assert not row_members(replace(found.slice, contents=()), corpus).any()
    row = corpus[int(np.flatnonzero(row_members(found.slice, corpus))[0])]
    assert found.slice.holds(f"  {row.prompt} ", {}, row.completion)
    assert not found.slice.holds(row.prompt, {}, "another answer")
