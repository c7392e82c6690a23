"""Logs of Inspect and of Every Eval Ever: the same item has one id, whatever program and model the answer is of."""

import json
from pathlib import Path
from typing import Any

import pytest
from builders.sample_logs import every_eval_log, inspect_log, inspect_sample

from evals.items import OutputType
from evals.samples.read import read_samples
from evals.samples.results import Scored, score_recording
from evals.suite import EvalSuite

BIRDS = [(1, "A", "A", "C"), (2, "B", "A", "I"), (3, "A", "B", "I"), (4, "B", "B", "C")]


def imported(folder: Path, **settings: Any) -> Scored:
    suite = EvalSuite(samples=str(folder), **settings)
    return score_recording(read_samples(suite)[0], suite)


@pytest.mark.parametrize("name", ["birds.json", "birds.eval"])
def test_an_inspect_log_gives_answers_as_the_texts_of_the_choices_and_grades_as_scores(
    tmp_path: Path, name: str
) -> None:
    inspect_log(tmp_path / name, [inspect_sample(*bird) for bird in BIRDS])
    scored = imported(tmp_path)
    assert scored.model == "m/one"
    assert scored.versions == {"birds": "1"}
    assert [item.target for item in scored.items] == ["north", "south", "north", "south"]
    assert [scored.answers[item.key] for item in scored.items] == ["north", "north", "south", "south"]
    assert [scored.scores[item.key] for item in scored.items] == [1.0, 0.0, 0.0, 1.0]
    assert {item.output_type for item in scored.items} == {OutputType.MULTIPLE_CHOICE}
    assert {item.document["kind"] for item in scored.items} == {"bird"}


def test_items_of_two_models_have_the_same_ids(tmp_path: Path) -> None:
    one = imported(inspect_log(tmp_path / "a.json", [inspect_sample(*bird) for bird in BIRDS]))
    other = [inspect_sample(number, target, "B", "I", metadata={"seconds": number}) for number, target, *_ in BIRDS]
    two = imported(inspect_log(tmp_path / "b.eval", other, model="m/two"))
    assert [item.key for item in one.items] == [item.key for item in two.items]
    answers = [("Up?", "yes", "no"), ("Down?", "no", "no")]
    three, four = (imported(every_eval_log(tmp_path / name, name, answers)) for name in ("three", "four"))
    assert [item.key for item in three.items] == [item.key for item in four.items]


def test_every_eval_ever_is_read_by_its_extracted_answers(tmp_path: Path) -> None:
    scored = imported(every_eval_log(tmp_path / "log", "org/m", [("Up?", "yes", "no"), ("Down?", "no", "no")]))
    assert scored.model == "org/m"
    assert [(item.prompt, item.target) for item in scored.items] == [("Up?", "yes"), ("Down?", "no")]
    assert [scored.answers[item.key] for item in scored.items] == ["no", "no"]
    assert [scored.scores[item.key] for item in scored.items] == [0.0, 1.0]


def test_unfinished_ambiguous_and_unscored_logs_are_refused_with_the_way_out(tmp_path: Path) -> None:
    samples = [inspect_sample(*bird) for bird in BIRDS]

    def refusal(path: Path) -> str:
        with pytest.raises(ValueError) as caught:  # noqa: PT011  # the messages are what is compared
            imported(path)
        return str(caught.value)

    assert "status 'error', not of a finished evaluation" in refusal(inspect_log(tmp_path / "a.json", samples, "error"))
    assert "has no samples; evaluate again without" in refusal(inspect_log(tmp_path / "b.json", []))
    assert "holds item 1 of birds twice" in refusal(inspect_log(tmp_path / "c.json", [samples[0], *samples]))
    unscored = inspect_log(tmp_path / "d.json", [samples[0] | {"scores": {}}, *samples[1:]])
    assert "has no score 'choice'" in refusal(unscored)
    nothing = inspect_log(tmp_path / "e.json", [sample | {"scores": {}} for sample in samples])
    assert "no sample of birds" in refusal(nothing)
    two = [s | {"scores": {**s["scores"], "judge": {"value": 0.5}}} for s in samples]
    assert "choose with evals.metric=choice or evals.metric=judge" in refusal(inspect_log(tmp_path / "f.json", two))
    assert imported(tmp_path / "f.json", metric="judge").judged_by == {"birds": "judge"}
    errored = inspect_log(tmp_path / "g.json", [samples[0] | {"error": {"message": "x"}}, *samples[1:]])
    assert "ended with an error" in refusal(errored)
    (tmp_path / "h.eval").write_bytes(b"no archive")
    assert "inspect log convert" in refusal(tmp_path / "h.eval")
    for name in "ij":
        inspect_log(tmp_path / "two" / f"{name}.json", samples)
    assert "two logs of birds (i.json, j.json)" in refusal(tmp_path / "two")
    inspect_log(tmp_path / "two" / "k.json", samples, model="m/two")
    assert "logs of 2 models (m/one, m/two)" in refusal(tmp_path / "two")


def test_a_schema_file_that_is_cut_off_or_has_two_metrics_is_refused(tmp_path: Path) -> None:
    answers = [("Up?", "yes", "no"), ("Down?", "no", "no")]
    both = every_eval_log(tmp_path / "both", "m", answers, metrics=("accuracy", "f1"))
    with pytest.raises(ValueError, match=r"choose with evals.metric=accuracy or evals.metric=f1"):
        imported(both)
    assert imported(both, metric="f1").judged_by == {"birds": "f1"}
    cut = every_eval_log(tmp_path / "cut", "m", answers)
    path = cut / "run_samples.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(ValueError, match="has 1 of 2 lines"):
        imported(cut)
    twice = every_eval_log(tmp_path / "twice", "m", [])
    row = json.loads(next(iter((tmp_path / "both" / "run_samples.jsonl").read_text().splitlines())))
    (twice / "run_samples.jsonl").write_text((json.dumps(row) + "\n") * 2)
    (twice / "run.json").write_text((tmp_path / "both" / "run.json").read_text().replace("4", "2"))
    with pytest.raises(ValueError, match="holds item 0 of birds twice"):
        imported(twice)
    mixed = every_eval_log(tmp_path / "mixed", "m", answers)
    inspect_log(mixed / "birds.eval", [inspect_sample(*bird) for bird in BIRDS])
    with pytest.raises(ValueError, match="holds logs of Every Eval Ever and Inspect"):
        imported(mixed)
