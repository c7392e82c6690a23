"""Record the results of retraining for `loop.json`; statistics are those of `diagnose.attribution.fidelity`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from controller.data.row_effects import Effects
from controller.results.diagnosis_json import (
    CalibrationRecord,
    ChangeRecord,
    DroppedRecord,
    FidelityRecord,
    LeftOutRecord,
)
from controller.stages.retraining.retrain import Part, PartKind
from diagnose.attribution.fidelity import (
    MIN_CALIBRATION,
    MIN_PARTS,
    calibrate,
    calibrate_score,
    datamodeling_score,
    slice_odds,
)
from diagnose.slices.predicate import Slice
from evals.statistics.intervals import Estimate, Interval


@dataclass(frozen=True)
class Outcomes:
    """Results of the trainings on parts of the corpus."""

    row_effects: Effects
    """Effects of rows of the corpus."""
    failing: tuple[Slice, ...]
    """Failing slices of the findings, [num_findings]."""
    parts: Sequence[Part]
    """Parts, the full corpus first."""
    left_out: Sequence[NDArray[np.int64]]
    """Places in the corpus of the rows that each part leaves out."""
    values: NDArray[np.float64]
    """Values of the attributed items, [num_parts, num_seeds, num_items], nats; not finite where a training diverged."""
    scores: NDArray[np.float64]
    """Mean scores of the failing slices, [num_parts, num_seeds, num_findings]."""

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """Losses of the findings, [num_parts, num_seeds, num_findings], nats."""
        weights = self.row_effects.queries.weights
        has_weight = weights.any(axis=0)
        return self.values[:, :, has_weight] @ weights[:, has_weight].T

    @cached_property
    def is_finite(self) -> NDArray[np.bool_]:
        """Whether each training led to finite values, [num_parts, num_seeds]."""
        return np.asarray((np.isfinite(self.losses) & np.isfinite(self.scores)).all(axis=2))

    @property
    def is_sound(self) -> NDArray[np.bool_]:
        """Whether each part was trained with every seed to finite values, [num_parts]."""
        return np.asarray(self.is_finite.all(axis=1))

    def sound(self, kind: PartKind) -> list[int]:
        """Numbers of the parts of a kind that were trained with every seed to finite values."""
        return [number for number in np.flatnonzero(self.is_sound).tolist() if self.parts[number].kind is kind]

    def predicted(self, number: int) -> NDArray[np.float64]:
        """Predict the change of each finding's loss without the rows of a part, [num_findings], nats: the sum of their
        effects or, where not all are attributed, their mean effect for each; nan where none is."""
        is_out = np.isin(self.row_effects.scored, self.left_out[number])
        if not is_out.any():
            return np.full(len(self.failing), np.nan)
        return np.asarray(self.row_effects.effect[is_out].mean(axis=0, dtype=np.float64) * len(self.left_out[number]))

    def strength(self, number: int) -> NDArray[np.float64]:
        """Strength by which harm is calibrated, [num_findings]: where harm is predicted the odds of the slice
        (`diagnose.attribution.fidelity.slice_odds`), otherwise the prediction."""
        is_out = np.isin(self.row_effects.scored, self.left_out[number])
        predicted = self.predicted(number)
        odds = np.array([slice_odds(of_finding, is_out) for of_finding in self.row_effects.effect.T])
        return np.where(predicted > 0, odds, predicted)

    def change(self, numbers: Sequence[int], finding: int) -> ChangeRecord:
        """Average the changes against the full corpus over parts."""
        losses = (self.losses[numbers] - self.losses[0])[:, :, finding].mean(axis=0)
        scores = (self.scores[numbers] - self.scores[0])[:, :, finding].mean(axis=0)
        return ChangeRecord(float(losses.mean()), tuple(losses.tolist()), float(scores.mean()), tuple(scores.tolist()))

    def possible(self, finding: int) -> Interval:
        """Changes that a score in [0, 1] allows; any where scores are not in it."""
        known = self.scores[self.is_sound]
        if known.min() < 0 or known.max() > 1:
            return Interval(-math.inf, math.inf)
        start = float(self.scores[0, :, finding].mean())
        return Interval(-start, 1 - start)


def fidelity_record(outcomes: Outcomes, seed: int) -> FidelityRecord:
    """Record what the retrainings show; `seed` is that of the bootstrap."""
    losses, halves, slices = outcomes.losses, outcomes.sound(PartKind.HALF), outcomes.sound(PartKind.SLICE)
    lds, ceiling, reason = None, None, f"only {len(halves)} of the halves were trained to a finite loss"
    if len(halves) >= MIN_PARTS:
        kept = np.array([~np.isin(outcomes.row_effects.scored, outcomes.left_out[number]) for number in halves])
        found = datamodeling_score(outcomes.row_effects.effect, kept, losses[halves], seed)
        lds, ceiling, reason = found.lds, found.ceiling, ""
    slice_lds, slice_ceiling = _of_slices(outcomes, slices, seed)
    is_comparable = bool(outcomes.is_sound[0])
    return FidelityRecord(
        num_parts=len(halves),
        num_seeds=losses.shape[1],
        num_rows=len(outcomes.row_effects.scored),
        num_diverged=int((~outcomes.is_finite).sum()),
        lds=lds,
        ceiling=ceiling,
        reason=reason,
        slice_lds=slice_lds,
        slice_ceiling=slice_ceiling,
        dropped=tuple(_dropped(outcomes)) if is_comparable else (),
        left_out=tuple(_left_out(outcomes, slices)) if is_comparable else (),
        calibration=_calibration(outcomes, slices) if is_comparable else None,
    )


def _of_slices(outcomes: Outcomes, slices: Sequence[int], seed: int) -> tuple[Estimate | None, float | None]:
    """Correlate ranks over the data slices, each standing for a row of its predicted change; also gives the ceiling."""
    predicted = {number: outcomes.predicted(number) for number in slices}
    known = [number for number in slices if np.isfinite(predicted[number]).all()]
    if len(known) < MIN_PARTS:
        return None, None
    kept = ~np.eye(len(known), dtype=bool)
    found = datamodeling_score(np.array([predicted[number] for number in known]), kept, outcomes.losses[known], seed)
    return found.lds, found.ceiling


def _dropped(outcomes: Outcomes) -> Iterator[DroppedRecord]:
    random = outcomes.sound(PartKind.RANDOM)
    for number in outcomes.sound(PartKind.HELPFUL) if random else ():
        part = outcomes.parts[number]
        yield DroppedRecord(
            slice=outcomes.failing[part.number].as_dict(),
            num_rows=part.num_left_out,
            score=float(outcomes.scores[0, :, part.number].mean()),
            helpful=outcomes.change([number], part.number),
            random=outcomes.change(random, part.number),
        )


def _left_out(outcomes: Outcomes, slices: Sequence[int]) -> Iterator[LeftOutRecord]:
    """Yield each data slice for each finding, calibrated without the training that left it out itself."""
    for number in slices:
        part, predicted = outcomes.parts[number], outcomes.predicted(number)
        strengths = outcomes.strength(number)
        others = _pairs(outcomes, [other for other in slices if other != number])
        for finding, where in enumerate(outcomes.failing):
            value = float(predicted[finding])
            loss, score = _expected(others, float(strengths[finding]), outcomes.possible(finding))
            yield LeftOutRecord(
                data_slice=part.slice.as_dict(),
                slice=where.as_dict(),
                num_rows=part.num_left_out,
                predicted=value if math.isfinite(value) else None,
                change=outcomes.change([number], finding),
                expected_loss=loss,
                expected_score=score,
                reason=_why_not(others, value, loss is None or score is None),
            )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Strengths of data slices for findings, and the real changes, side by side."""

    strengths: list[float]
    losses: list[float]
    scores: list[float]

    @property
    def num_calibrating(self) -> int:
        return sum(p > 0 and r > 0 for p, r in zip(self.strengths, self.losses, strict=True))


def _pairs(outcomes: Outcomes, slices: Sequence[int]) -> _Pairs:
    pairs = _Pairs([], [], [])
    for number in slices:
        for finding, value in enumerate(outcomes.strength(number).tolist()):
            change = outcomes.change([number], finding)
            pairs.strengths.append(value)
            pairs.losses.append(change.loss)
            pairs.scores.append(change.score)
    return pairs


def _expected(others: _Pairs, strength: float, possible: Interval) -> tuple[Estimate | None, Estimate | None]:
    """Expected changes of loss and score; None without predicted harm or calibration, or with an infinite interval."""
    of_loss, of_score = calibrate(others.strengths, others.losses), calibrate_score(others.strengths, others.scores)
    if not strength > 0 or of_loss is None or of_score is None:
        return None, None
    return _finite(of_loss.change(strength)), _finite(of_score.change(strength, possible))


def _finite(found: Estimate) -> Estimate | None:
    return found if all(map(math.isfinite, (found.mean, found.low, found.high))) else None


def _why_not(others: _Pairs, predicted: float, is_missing: bool) -> str:
    if not is_missing:
        return ""
    if math.isnan(predicted):
        return "none of its rows in the corpus was attributed"
    if predicted <= 0:
        return "no harm is predicted, and only harm is calibrated"
    if others.num_calibrating < MIN_CALIBRATION:
        return (
            f"{others.num_calibrating} changes of other data slices were harm, predicted and real; "
            f"{MIN_CALIBRATION} are needed"
        )
    return "the interval has no finite end"


def _calibration(outcomes: Outcomes, slices: Sequence[int]) -> CalibrationRecord | None:
    pairs = _pairs(outcomes, slices)
    found = calibrate(pairs.strengths, pairs.losses)
    if found is None:
        return None
    return CalibrationRecord(
        slope=found.line.slope,
        intercept=found.line.intercept,
        residual_sd=found.line.residual_sd,
        num_changes=found.line.num_changes,
        num_contradicted=sum(p > 0 for p in pairs.strengths) - pairs.num_calibrating,
    )
