"""A task of natural text that fails as a whole is diagnosed down to the rows nearest to its items."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from builders.models import asked_model
from builders.natural_text import case_of, films, probe, rows_of
from pydantic import TypeAdapter

from diagnose.attribution.influence import Influence
from diagnose.diagnoser import Diagnoser
from diagnose.finding.finding import Diagnosis
from diagnose.slices.listed import NEAREST
from diagnose.slices.predicate import row_members


def test_a_natural_task_that_fails_as_a_whole_gets_a_data_slice_tests_and_examples(
    tiny_model_dir: Callable[..., Path],
) -> None:
    corpus = rows_of({"films": 40, "law": 120, "plants": 120}, "train")
    pool = rows_of({"films": 80, "law": 120}, "pool")
    asked = films(80)
    words = [text for source in (corpus, pool) for text in source.rows["prompt"][:]]
    path = tiny_model_dir([*words, *asked, "yes no"])
    diagnoser = Diagnoser(influence=Influence(fisher_examples=64), token_steps=0)
    diagnosis = diagnoser.diagnose(case_of(probe(asked), corpus, pool), asked_model(path))
    (found,) = diagnosis.findings
    (near,) = found.data_slices
    assert found.data_slice.conditions == ((NEAREST, "task = films"),)
    assert near.nearness is not None
    assert near.nearness.views[:2] == ("words", "hidden states")
    assert near.num_examples == found.evidence["corpus_rows"] == row_members(near.slice, corpus).sum() > 0
    assert near.num_pool == found.evidence["pool_rows"] == row_members(near.slice, pool).sum() > 0
    is_film = np.array(corpus.rows["kind"][:]) == "films"
    # To a random model all rows are alike: with other items .4 to .9 of the rows are of the kind.
    assert is_film[row_members(near.slice, corpus)].mean() > 3 * is_film.mean()
    stored = TypeAdapter(Diagnosis)
    assert stored.validate_json(stored.dump_json(diagnosis)) == diagnosis
