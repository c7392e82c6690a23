"""Attribution held against retrainings, on a corpus whose skills are taught by one slice each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders.checkout import journal
from builders.toy import SKILLS, TASKS, diagnosed, model_of, unread_run, write_toy

from controller.cli.compose import composed
from controller.data.row_effects import Effects
from controller.engine.budget import Books
from controller.engine.runner import Runner
from controller.engine.workers.pool import Workers
from controller.loop.diagnosing import diagnose_round
from controller.loop.models import base_model, initial_job, initial_model, measure_model
from controller.loop.run import config_hash, open_run
from controller.loop.studies.fidelity import prove_attribution, recipe_of_champion
from controller.loop.studies.fidelity_record import Outcomes, fidelity_record
from controller.results.diagnosis_json import FidelityRecord
from controller.stages.retraining.retrain import Part, PartKind
from controller.train.recipe import Draws, recipe
from controller.train.settings import TrainUpdate
from diagnose.attribution.fidelity import slice_odds
from diagnose.finding.finding import Diagnosis
from diagnose.model.queries import weighted_rows
from diagnose.rows.tokens import token_rows
from diagnose.slices.predicate import Slice
from evals.splits import Split


class Stopped(Exception):  # noqa: N818  # what a guard raises
    pass


def prove(words: list[str], workers: Workers, most_trainings: int | None = None) -> FidelityRecord | None:
    """Round 0 up to its diagnosis, and the retrainings; stopped as Ctrl-C does after so many of them."""
    settings = composed(words)
    run_dir = Path(settings.run_dir or "")
    before = len(finished(run_dir))

    class Watched(Books):
        def check_time(self) -> None:
            done = [name for name in finished(run_dir)[before:] if name.startswith("fidelity-")]
            if most_trainings is not None and len(done) >= most_trainings:
                raise Stopped

    run = open_run(settings, run_dir, Runner(run_dir, workers, Watched(settings.budget)))
    base = base_model(run)
    model = initial_model(run, base)
    found = diagnose_round(run, model, measure_model(run, model, Split.PROBE, "measure-probe"))
    return prove_attribution(run, base, model, found) if settings.diagnose.fidelity else None


def finished(run_dir: Path) -> list[str]:
    return [line["stage"] for line in journal(run_dir) if line["event"] == "finished"]


@pytest.mark.slow
def test_a_finished_diagnosis_is_proven_without_another_and_each_part_is_trained_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = write_toy(tmp_path)
    run_dir = tmp_path / "run"
    proven = [*words, "diagnose.fidelity=true"]
    with Workers(None) as workers:
        assert prove(words, workers) is None
        before = finished(run_dir)
        with pytest.raises(Stopped):
            prove(proven, workers, most_trainings=4)
        stopped = finished(run_dir)
        record = prove(proven, workers)
        stages = finished(run_dir)
        assert prove(proven, workers) == record
        assert finished(run_dir) == stages
        assert prove([*proven, "budget.train_tokens=30000"], workers) is None
        prove([*proven, "diagnose.fidelity_parts=5"], workers)
    assert "fidelity: not measured, budget.train_tokens: diagnose.fidelity takes" in caplog.text
    assert 4 <= len(stopped) - len(before) < len(stages) - len(before)
    assert all(name.startswith("fidelity-") for name in stages[len(before) :])
    assert len(stages) == len(set(stages))  # what was finished before the stop is not repeated
    more = [name.split("-")[1] for name in finished(run_dir)[len(stages) :]]
    assert more == ["parts", "half"]
    assert not list(run_dir.glob("stages/fidelity-*/model"))
    assert record is not None
    assert (record.num_parts, record.num_seeds, record.num_diverged) == (4, 1, 0)
    assert record.lds is not None
    assert record.ceiling is None
    assert len(record.dropped) == len(TASKS)
    assert {r.num_rows for r in record.dropped} == {round(0.05 * record.num_rows)}
    assert len(record.left_out) == len(TASKS) * len(SKILLS)
    for skill in TASKS:
        of_task = [r for r in record.left_out if r.slice == {"task": f"toy_{skill}"}]
        worst = max(of_task, key=lambda r: r.change.loss)
        assert worst.data_slice == {"skill": skill}  # it alone teaches what is asked
        assert worst.num_rows == 40


def test_without_attribution_there_is_nothing_to_retrain_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = unread_run(tmp_path, "diagnose.fidelity=true")
    model = model_of(run, "ours")
    caplog.set_level("INFO")
    assert prove_attribution(run, model, model, diagnosed(run, model, Diagnosis((), 40, 1, 0))) is None
    assert [record.message for record in caplog.records] == [
        "fidelity: nothing was attributed, so there is nothing to hold it against"
    ]


def test_a_model_that_was_given_goes_on_and_one_that_was_trained_here_is_trained_again(tmp_path: Path) -> None:
    run = unread_run(tmp_path, "train.update.max_steps=7")
    settings, base = run.settings, model_of(run, "base")
    ours = model_of(run, initial_job(run, base, settings.seed).stage.key.digest)
    accepted = replace(model_of(run, "accepted"), corpus=replace(run.corpus, digest="mix", num_rows=200))
    batch = settings.train.per_device_train_batch_size
    assert recipe_of_champion(run, base, ours) == (
        base,
        recipe(settings.train, settings.model, TrainUpdate(), 160, None),
    )
    start, plan = recipe_of_champion(run, base, accepted)
    assert (start, plan.length) == (accepted, Draws(7 * batch))
    run.settings.train.start = "base"
    start, plan = recipe_of_champion(run, base, accepted)
    assert (start, plan.length) == (base, Draws(30 * batch))


def test_the_settings_of_the_proof_do_not_change_what_a_run_is(tmp_path: Path) -> None:
    words = write_toy(tmp_path)
    plain, proven = composed(words), composed([*words, "diagnose.fidelity=true", "diagnose.fidelity_seeds=5"])
    assert plain.diagnose.determining == proven.diagnose.determining
    assert config_hash(plain) == config_hash(proven)
    with pytest.raises(ValueError, match=r"diagnose\.fidelity_parts must be at least 4, got 3"):
        composed([*words, "diagnose.fidelity_parts=3"])


def world(num_slices: int, num_seeds: int = 2, noise: float = 0.0) -> Outcomes:
    """Every row of 20 a slice lowers the loss of one item by twice its effect; without a whole slice it rises by twice
    the slice's odds, and the score falls."""
    rng = np.random.default_rng(0)
    num_rows = 20 * num_slices
    effect = np.repeat(np.exp(rng.normal(size=num_slices) - 3), 20)[:, None].astype(np.float32)
    nowhere = Slice(())
    parts, left_out = [Part(PartKind.FULL, 0, 0, "", nowhere)], [np.zeros(0, np.int64)]
    for number in range(8):
        parts.append(Part(PartKind.HALF, number, num_rows // 2, "", nowhere))
        left_out.append(rng.choice(num_rows, num_rows // 2, replace=False))
    parts += [Part(PartKind.HELPFUL, 0, 8, "", nowhere), Part(PartKind.RANDOM, 0, 8, "", nowhere)]
    left_out += [np.argsort(-effect[:, 0])[:8], rng.choice(num_rows, 8, replace=False)]
    for number in range(num_slices):
        parts.append(Part(PartKind.SLICE, number, 20, "", Slice((("slice", str(number)),))))
        left_out.append(np.arange(20 * number, 20 * number + 20))
    harm = np.array([2.0 * float(effect[rows].sum()) for rows in left_out])
    for number, part in enumerate(parts):
        if part.kind is PartKind.SLICE:
            harm[number] = 2 * slice_odds(effect[:, 0], np.isin(np.arange(num_rows), left_out[number]))
    harm[1:] *= np.exp(noise * rng.normal(size=len(harm) - 1))
    losses = np.repeat((3 + harm)[:, None, None], num_seeds, axis=1)
    scores = np.repeat((0.5 - 0.02 * harm)[:, None, None], num_seeds, axis=1)
    queries = weighted_rows(token_rows([[1, 2]], [[-100, 2]]), np.ones((1, 1)))
    effects = Effects(np.arange(num_rows), effect, queries)
    return Outcomes(effects, (Slice((("task", "sums"),)),), parts, left_out, losses, scores)


def test_harm_of_twice_the_odds_of_a_slice_is_what_the_calibration_finds() -> None:
    record = fidelity_record(world(8), 0)
    assert record.lds is not None
    assert record.lds.mean == pytest.approx(1)
    assert record.ceiling == pytest.approx(1)
    assert record.slice_lds is not None
    assert record.slice_lds.mean == pytest.approx(1)
    (dropped,) = record.dropped
    assert dropped.helpful.loss > dropped.random.loss > 0
    assert dropped.score == pytest.approx(0.5)
    assert record.calibration is not None
    assert (record.calibration.slope, np.exp(record.calibration.intercept)) == pytest.approx((1, 2))
    assert record.calibration.num_changes == 8
    for left_out in record.left_out:
        assert left_out.expected_loss is not None
        assert left_out.expected_loss.mean == pytest.approx(left_out.change.loss)
        assert left_out.expected_score is not None
        assert left_out.expected_score.low >= -0.5


def test_no_slice_is_calibrated_on_its_own_retraining() -> None:
    plain = world(8, noise=0.3)
    first = next(number for number, part in enumerate(plain.parts) if part.kind is PartKind.SLICE)
    values = plain.values.copy()
    values[first] += 50
    spoilt = Outcomes(plain.row_effects, plain.failing, plain.parts, plain.left_out, values, plain.scores)
    before, after = fidelity_record(plain, 0).left_out, fidelity_record(spoilt, 0).left_out
    assert after[0].change.loss == pytest.approx(before[0].change.loss + 50)
    assert after[0].expected_loss == before[0].expected_loss
    assert after[1].expected_loss != before[1].expected_loss


def test_where_nothing_can_be_calibrated_the_record_says_why() -> None:
    record = fidelity_record(world(5), 0)
    assert {r.reason for r in record.left_out} == {
        "4 changes of other data slices were harm, predicted and real; 5 are needed"
    }
    assert all(r.expected_loss is None and r.expected_score is None for r in record.left_out)
    assert record.calibration is not None  # with all five


def test_trainings_that_diverged_are_counted_and_left_out() -> None:
    plain = world(8)
    values = plain.values.copy()
    values[2, 1] = np.nan
    record = fidelity_record(
        Outcomes(plain.row_effects, plain.failing, plain.parts, plain.left_out, values, plain.scores), 0
    )
    assert (record.num_diverged, record.num_parts) == (1, 7)
    values[0] = np.inf
    lost = fidelity_record(
        Outcomes(plain.row_effects, plain.failing, plain.parts, plain.left_out, values, plain.scores), 0
    )
    assert lost.lds is not None
    assert (lost.dropped, lost.left_out, lost.calibration) == ((), (), None)


def test_a_slice_that_is_attributed_in_part_is_predicted_for_all_of_its_rows() -> None:
    plain = world(8)
    number = len(plain.parts) - 1
    whole = plain.predicted(number)
    chosen = np.arange(0, 160, 4)
    few = Effects(plain.row_effects.scored[chosen], plain.row_effects.effect[chosen], plain.row_effects.queries)
    part = Outcomes(few, plain.failing, plain.parts, plain.left_out, plain.values, plain.scores)
    assert part.predicted(number) == pytest.approx(whole)
    none = replace(part, row_effects=Effects(few.scored[:-10], few.effect[:-10], few.queries))
    assert np.isnan(none.predicted(number))
    last = fidelity_record(none, 0).left_out[-1]
    assert (last.predicted, last.reason) == (None, "none of its rows in the corpus was attributed")
    assert last.change.loss == fidelity_record(plain, 0).left_out[-1].change.loss
