"""Attribution against 200 real retrainings of a small model (shared/bench/attribution)."""

import numpy as np
import pytest
from builders.checkout import SHARED
from numpy.typing import NDArray

from diagnose.attribution.fidelity import calibrate, datamodeling_score, slice_odds
from diagnose.attribution.influence import Influence
from diagnose.attribution.stream import attribute
from diagnose.model.checkpoint import Checkpoint
from diagnose.model.queries import weighted_rows
from diagnose.rows.tokens import token_rows
from evals.model_ref import ModelRef

FIXTURE = SHARED / "bench" / "attribution"
NUM_SLICES = 16
pytestmark = pytest.mark.skipif(not FIXTURE.is_dir(), reason="needs the attribution fixture in ../shared")


@pytest.fixture(scope="module")
def corpus() -> dict[str, NDArray[np.int64]]:
    return dict(np.load(FIXTURE / "corpus.npz"))


@pytest.fixture(scope="module")
def truth() -> dict[str, NDArray[np.float64]]:
    return dict(np.load(FIXTURE / "truth.npz"))


@pytest.fixture(scope="module")
def effect(corpus: dict[str, NDArray[np.int64]]) -> NDArray[np.float64]:
    """[num_train, num_queries], of the middle and the last checkpoint."""
    queries = token_rows(corpus["query_ids"], corpus["query_labels"])
    train = token_rows(corpus["train_ids"], corpus["train_labels"])
    checkpoints = [Checkpoint(ModelRef(str(FIXTURE / f"checkpoint-epoch{epoch}")), 1.0) for epoch in (3, 6)]
    asked = weighted_rows(queries, np.eye(len(queries)))
    return attribute(Influence(), checkpoints, asked, train, 0).whole().effect.astype(np.float64)


def test_calibrated_intervals_cover_what_leaving_a_slice_out_did(
    corpus: dict[str, NDArray[np.int64]], truth: dict[str, NDArray[np.float64]], effect: NDArray[np.float64]
) -> None:
    full, odds, sums, by_seed = truth["full_losses"].mean(0), [], [], []
    for k in range(NUM_SLICES):
        inside, asked = corpus["train_slice"] == k, corpus["query_slice"] == k
        mean_effect = effect[:, asked].mean(1)
        odds.append(slice_odds(mean_effect, inside))
        sums.append(float(mean_effect[inside].sum()))
        by_seed.append((truth["slice_removed_losses"][k] - full)[:, asked].mean(1))
    covered, width = held_out(odds, by_seed)
    assert covered >= 0.85
    assert width < held_out(sums, by_seed)[1]


def held_out(predicted: list[float], by_seed: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Each slice by a calibration on the others: how often a single retraining lies in the interval of 95 %, and the
    median of its upper over its lower end."""
    real, covered, widths = [float(changes.mean()) for changes in by_seed], [], []
    for k, changes in enumerate(by_seed):
        others = [other for other in range(len(real)) if other != k]
        calibration = calibrate([predicted[other] for other in others], [real[other] for other in others])
        assert calibration is not None
        interval = calibration.change(predicted[k])
        covered += [interval.low <= change <= interval.high for change in changes]
        widths.append(interval.high / interval.low)
    return float(np.mean(covered)), float(np.median(widths))


def test_single_rows_predict_retraining_on_random_halves(
    corpus: dict[str, NDArray[np.int64]], truth: dict[str, NDArray[np.float64]], effect: NDArray[np.float64]
) -> None:
    kept, losses = truth["subset_masks"].astype(bool), truth["subset_losses"]
    found = datamodeling_score(effect, kept, losses)
    same_slice = (corpus["train_slice"][:, None] == corpus["query_slice"][None, :]).astype(np.float64)
    trivial = datamodeling_score(same_slice, kept, losses)
    assert found.lds.mean >= 0.23
    assert found.lds.mean > trivial.lds.mean
    assert found.ceiling is not None
    assert found.ceiling > found.lds.mean
