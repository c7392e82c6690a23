"""Say how reliable attribution is, and show predicted against real changes as a picture.

Both axes are logarithmic and have the same range, so that a change as expected lies on the diagonal.
"""

from dataclasses import dataclass

from controller.results.diagnosis_json import FidelityRecord, LeftOutRecord
from controller.results.page.pictures.marks import LogAxis, PlacedPoint, Tick
from controller.results.page.words.numbers import interval, number, signed
from controller.results.page.words.sentences import slice_words
from diagnose.attribution.fidelity import MIN_CALIBRATION
from evals.statistics.intervals import Estimate

MOST_ROWS = 12
_LOW_CEILING = 0.3
"""Ceiling below which some dozen trainings could not tell any prediction from chance."""
_MARGIN = 2.0
"""Factor by which the axes extend beyond the points; intervals may go on beyond the edge."""


@dataclass(frozen=True, slots=True)
class Scatter:
    points: tuple[PlacedPoint, ...]
    """Points in the style `good`, `bad` or `control`, with intervals of the expected change."""
    ticks: tuple[Tick, ...]
    """Ticks from the left and, as 100 - at, from the top."""
    is_calibrated: bool
    num_left_out: int
    """Number of changes without a logarithm or an expectation."""


def largest_changes(record: FidelityRecord) -> list[LeftOutRecord]:
    """Data slices left out that changed the loss most, the largest change first."""
    return sorted(record.left_out, key=lambda row: -abs(row.change.loss))[:MOST_ROWS]


def believed(record: FidelityRecord) -> str:
    """Report the correlation with its interval and ceiling, and what follows."""
    lds = record.lds
    if lds is None:
        return f"Not known: {record.reason}."
    found = f"{number(lds.mean)} {interval(lds.low, lds.high)}"
    over = (
        f"over {record.num_parts} random halves of the {record.num_rows:,} attributed rows of the corpus, each trained "
        f"on with {_seeds(record.num_seeds)}, predicted and real losses of the failed items have a rank correlation of "
        f"{found}, where 1 is perfect and 0 is chance"
    )
    if lds.low > 0:
        return f"Attribution foretells what retraining does: {over}. {_ceiling(record)}"
    if record.ceiling is not None and record.ceiling < _LOW_CEILING:
        return (
            f"Nothing can be told of single rows: {over}. Another order of rows changes the failed items as much as "
            f"leaving out half of those rows, so no prediction could reach more than {number(record.ceiling)}. "
            "Attribute more rows (diagnose.max_rows), train longer, or with more seeds (diagnose.fidelity_seeds)."
        )
    if lds.high < 0:
        return f"Attribution is wrong here: {over}. Do not act on effects of single rows. {_ceiling(record)}"
    return (
        f"Attribution is not shown to foretell what retraining does: {over}. Do not lean on effects of single rows. "
        f"{_ceiling(record)}"
    )


def of_slices(record: FidelityRecord) -> str:
    """Report the correlation over whole data slices."""
    lds = record.slice_lds
    if lds is None:
        return ""
    count = len({tuple(row.data_slice.items()) for row in record.left_out if row.predicted is not None})
    most = "" if record.slice_ceiling is None else f", where chance allows {number(record.slice_ceiling)}"
    return (
        f"Over {count} whole data slices left out, one at a time, the same correlation is "
        f"{number(lds.mean)} {interval(lds.low, lds.high)}{most}."
    )


def calibrated(record: FidelityRecord) -> str:
    """Report how many real changes lie in the intervals that were calibrated without them."""
    foretold = [row for row in record.left_out if row.expected_loss is not None]
    if not record.left_out:
        return "No data slice could be left out, so nothing is calibrated."
    if not foretold:
        harm = sum(row.predicted is not None and row.predicted > 0 and row.change.loss > 0 for row in record.left_out)
        return (
            f"What leaving out data does is not calibrated: {harm} of {len(record.left_out)} changes were harm both as "
            f"predicted and in fact, and each needs {MIN_CALIBRATION} of other data slices."
        )
    harmful = [row for row in foretold if row.change.loss > 0]
    covered = sum(_is_covered(row.expected_loss, row.change.loss) for row in harmful)
    of_score = [row for row in foretold if row.expected_score is not None]
    scores = sum(_is_covered(row.expected_score, row.change.score) for row in of_score)
    text = (
        "Expected changes are calibrated on the other data slices, never on the training that they are held against: "
        f"of the loss, {covered} of {len(harmful)} that were harm indeed lie in their 95 % interval, and of the score "
        f"{scores} of {len(of_score)}."
    )
    if record.calibration is not None and record.calibration.num_contradicted:
        total = record.calibration.num_changes + record.calibration.num_contradicted
        text += (
            f" Of {total} changes that were predicted to be harm, {record.calibration.num_contradicted} were none: "
            "intervals hold for those that are."
        )
    return text


def spread(values: tuple[float, ...]) -> str:
    """Range from the least to the most value; empty for a single one."""
    return f"{signed(min(values))} to {signed(max(values))}" if len(values) > 1 else ""


def scatter(record: FidelityRecord) -> Scatter | None:
    """Place expected against real changes of the loss; raw predictions where nothing is calibrated."""
    is_calibrated = any(row.expected_loss is not None and row.change.loss > 0 for row in record.left_out)
    shown = [
        (row, foretold)
        for row in record.left_out
        if (foretold := _foretold(row, is_calibrated)) is not None and foretold.mean > 0 and row.change.loss > 0
    ]
    if not shown:
        return None
    values = [value for row, foretold in shown for value in (foretold.mean, row.change.loss)]
    axis = LogAxis(min(values) / _MARGIN, max(values) * _MARGIN)
    points = tuple(
        PlacedPoint(
            kind="control" if not is_calibrated else "good" if _is_covered(foretold, row.change.loss) else "bad",
            x=axis.at(foretold.mean),
            y=100 - axis.at(row.change.loss),
            low=axis.at(foretold.low),
            high=axis.at(foretold.high),
            title=_title(row, foretold),
        )
        for row, foretold in shown
    )
    return Scatter(points, axis.ticks(), is_calibrated, len(record.left_out) - len(shown))


def _foretold(row: LeftOutRecord, is_calibrated: bool) -> Estimate | None:
    if is_calibrated:
        return row.expected_loss
    if row.predicted is None:
        return None
    return Estimate(row.predicted, row.predicted, row.predicted)


def _title(row: LeftOutRecord, foretold: Estimate) -> str:
    return (
        f"without {slice_words(row.data_slice)}, {slice_words(row.slice)}: {number(foretold.mean)} nats expected, "
        f"{number(row.change.loss)} came"
    )


def _is_covered(foretold: Estimate | None, real: float) -> bool:
    return foretold is not None and foretold.low <= real <= foretold.high


def _ceiling(record: FidelityRecord) -> str:
    if record.ceiling is None:
        return "With one training of each half nobody knows how much chance alone decides."
    return f"Trainings differ by chance too: no prediction could reach more than {number(record.ceiling)}."


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"
