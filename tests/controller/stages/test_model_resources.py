"""What attribution says of every row of a slice, after a diagnosis that asked some of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from builders.bad_inputs import write_model
from builders.pools import train_pool
from builders.toy import write_toy
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from controller.cli.compose import composed
from controller.data.mixes import load_pool
from controller.data.row_effects import load_effects
from controller.loop.diagnosing import diagnose_round
from controller.loop.models import base_model, initial_model, measure_model
from controller.loop.run import opened
from controller.stages.model_resources import ModelResources
from diagnose.slices.predicate import Slice, row_members
from evals.splits import Split


@pytest.mark.slow
def test_how_often_rows_were_drawn_is_not_known_of_a_model_that_was_trained_on_them_elsewhere(tmp_path: Path) -> None:
    write_model(tmp_path / "given")
    words = [word for word in write_toy(tmp_path) if not word.startswith("model.")]
    for is_known, passes in (("true", None), ("false", 0.0)):
        given = [*words, "model=pretrained", f"model.name={tmp_path / 'given'}", f"model.trained_on_corpus={is_known}"]
        settings = composed([*given, "train.initial=true", "train.max_steps=2", f"run_dir={tmp_path / is_known}"])
        with opened(settings, tmp_path / is_known) as run:
            base = base_model(run)
            assert base.passes == passes
            trained = initial_model(run, base).passes
            assert (trained is None) == (passes is None)


@pytest.mark.slow
def test_rows_with_a_wrong_answer_rank_below_right_ones_whether_the_diagnosis_asked_them_or_not(tmp_path: Path) -> None:
    words = [*write_toy(tmp_path), "train.max_steps=30", "diagnose.max_rows=60"]
    file = tmp_path / "rows.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    jump = [k for k, row in enumerate(rows) if row["skill"] == "jump"]
    wrong = set(jump[::3])
    for place in wrong:
        rows[place]["completion"] = " ".join(reversed(rows[place]["completion"].replace("jump", "run").split()))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = composed(words)
    run_dir = Path(settings.run_dir or "")
    with opened(settings, run_dir) as run:
        model = initial_model(run, base_model(run))
        assert base_model(run).passes == 0
        assert model.passes == 30 * settings.train.per_device_train_batch_size / run.corpus.num_rows
        diagnosed = diagnose_round(run, model, measure_model(run, model, Split.PROBE, "measure-probe"))
    finding = next(f for f in diagnosed.diagnosis.findings if f.slice.as_dict().get("task") == "toy_jump")
    corpus = load_pool(model.corpus.folder)
    asked_of = ModelResources(
        diagnosed.diagnosis, diagnosed.artifact.folder, model, corpus, settings.diagnose.influence, 16, 0
    )
    asked = np.flatnonzero(row_members(Slice((("skill", "jump"),)), corpus))
    found = asked_of.row_effects(finding, asked)
    assert asked.tolist() == jump  # all of them, though the diagnosis asked 60 of 160 rows
    assert roc_auc_score(np.isin(asked, list(wrong)), -found) > 0.9
    assert asked_of.num_tokens > 0
    assert np.array_equal(asked_of.row_effects(finding, asked), found)
    # What the diagnosis asked is not asked again.
    known = load_effects(diagnosed.artifact.folder)
    again = np.intersect1d(asked, known.scored)
    assert 0 < len(again) < len(asked)
    column = [other.slice for other in diagnosed.diagnosis.attributed_findings].index(finding.slice)
    spent = asked_of.num_tokens
    assert np.array_equal(asked_of.row_effects(finding, again), known.effect[np.isin(known.scored, again), column])
    assert asked_of.num_tokens == spent
    # What is asked later is on the scale of what the diagnosis asked.
    is_known, is_right = np.isin(asked, known.scored), ~np.isin(asked, list(wrong))
    early, late = (np.median(found[is_right & part]) for part in (is_known, ~is_known))
    assert 0.4 < late / early < 2.5  # curvature is sampled anew; a fifth where the number of rows is left in
    # Failed items stand where rows of the same words stand.
    questions = [query.split() for query in finding.queries]
    items = train_pool((" ".join(words[:3]), " ".join(words[3:])) for words in questions)
    states = asked_of.states(finding, items)
    assert states.rows.shape == (len(finding.queries), 32)
    away = cdist(states.rows, states.items)
    # This task joins prompt and answer without a space, so they are not quite the same tokens; by chance .03.
    assert (away.argmin(axis=1) == np.arange(len(items))).mean() > 0.5
