"""The report's pictures as geometry: rows of marks on a common scale, positions in percent.

Rows are laid out by the page: label, marks and number stand beside each other in a wide window and below
each other in a narrow one, and text keeps its size. A bitmap or one large drawing could do neither.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controller.results.diagnosis_json import DataSliceRecord, Measure, Score
from controller.results.page.words.numbers import amount, flops, interval, number, percent, signed, signed_interval
from controller.results.page.words.sentences import arm_words, slice_words
from controller.results.verdict_json import GuardRecord, VerdictRecord
from diagnose.finding.finding import SHOWN, Experiment
from evals.statistics.intervals import Estimate

MOST_ROWS = 16


@dataclass(frozen=True, slots=True)
class PlacedPoint:
    """A point with its interval: positions in percent, from the left and from the top."""

    kind: str
    """Name of the style."""
    x: float
    y: float
    low: float
    """Lower end of the interval, along the axis that has one."""
    high: float
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with its interval; positions in percent of the scale."""

    kind: str
    """Name of the style: `before`, `after`, `control`, `good`, `bad`."""
    at: float
    low: float
    high: float
    dots: tuple[float, ...] = ()
    """Scores of single training seeds."""


@dataclass(frozen=True, slots=True)
class Row:
    label: str
    note: str
    marks: tuple[Mark, ...]
    value: str
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Picture:
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    zero: float | None
    """Position of no effect, when it is on the scale and needs a line."""
    limit: Tick | None
    """Line of the guards' margin."""
    num_left_out: int


@dataclass(frozen=True, slots=True)
class Scale:
    low: float
    high: float
    step: float

    def at(self, value: float) -> float:
        """Position in percent; values off the scale end at its edge."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def ticks(self, is_signed: bool) -> tuple[Tick, ...]:
        count = round((self.high - self.low) / self.step)
        values = [self.low + k * self.step for k in range(count + 1)]
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9))
        digits += round(self.step, digits) != round(self.step, digits + 1)  # steps of .025, not .03
        labels = [f"{v:{'+' if is_signed and abs(v) > self.step / 2 else ''}.{digits}f}" for v in values]
        return tuple(
            Tick(self.at(v), t.replace("-", "−") if abs(v) > self.step / 2 else f"{0:.{digits}f}")
            for v, t in zip(values, labels, strict=True)
        )


@dataclass(frozen=True, slots=True)
class LogAxis:
    low: float
    high: float

    def at(self, value: float) -> float:
        """Position in percent; values off the axis end at its edge."""
        value = min(max(value, self.low), self.high)
        return round(100 * math.log(value / self.low) / math.log(self.high / self.low), 2)

    def ticks(self) -> tuple[Tick, ...]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if self.high / self.low < 100 else (1,)
        values = [step * 10.0**power for power in powers for step in steps]
        return tuple(Tick(self.at(v), f"{v:g}") for v in values if self.low <= v <= self.high)


def scale_over(values: Iterable[float]) -> Scale:
    """Make a scale of round numbers around all values, with four to eight steps; inside [0, 1] where they are."""
    finite = list(values)
    low, high = min(finite), max(finite)
    if high - low < 1e-6 * max(1.0, abs(high)):
        low, high = low - 0.05, high + 0.05
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    start, end = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
    if min(finite) >= 0 and max(finite) <= 1:
        start, end = max(start, 0.0), min(end, 1.0) if end <= 1 + step / 2 else 1.0
    return Scale(start, max(end, start + step), step)


def arms(verdict: VerdictRecord) -> Picture:
    """Show every arm's score on the endpoint, its interval, and each training seed as a dot."""
    ordered = sorted(verdict.arms.items(), key=lambda arm: (arm[0] != "before", arm[0] != "challenger"))
    scale = scale_over(value for _, arm in ordered for value in (*arm.ci, arm.score, *arm.seeds))
    rows = []
    for name, arm in ordered:
        seeds = arm.seeds if len(arm.seeds) > 1 else ()
        kind = {"before": "before", "challenger": "after"}.get(name, "control")
        cost = f"{len(arm.seeds)} seeds · {amount(arm.tokens)} tokens · {flops(arm.flops)} each"
        rows.append(
            Row(
                label=arm_words(name),
                note=cost if seeds else "the champion as the round opened" if name == "before" else "1 run",
                marks=(_mark(scale, kind, Estimate(arm.score, *arm.ci), seeds),),
                value=f"{number(arm.score)} {interval(*arm.ci)}",
                is_strong=name == "challenger",
            )
        )
    return _picture(rows, scale)


def before_after(verdict: VerdictRecord) -> Picture | None:
    """Show each task and slice on `select` before the round and with the fix; in a task the largest changes first."""
    if "before" not in verdict.arms or "challenger" not in verdict.arms:
        return None
    after = {_key(score): score for score in verdict.arms["challenger"].scores}
    pairs = [(b, after[_key(b)]) for b in verdict.arms["before"].scores if _key(b) in after]
    if not pairs:
        return None
    whole = [pair for pair in pairs if not pair[0].slice]
    parts = [pair for pair in pairs if pair[0].slice]
    parts.sort(key=lambda pair: -abs(pair[1].score.mean - pair[0].score.mean))
    chosen = (whole + parts)[:MOST_ROWS]
    scale = scale_over(v for pair in chosen for s in pair for v in (s.score.low, s.score.high))
    rows = [
        Row(
            label=_label(before),
            note=_items_note(before, now),
            marks=(_mark(scale, "before", before.score), _mark(scale, "after", now.score)),
            value=f"{number(before.score.mean)} → {number(now.score.mean)}",
            is_strong=not before.slice,
        )
        for before, now in chosen
    ]
    return _picture(rows, scale, num_left_out=len(pairs) - len(chosen))


def scores(measure: Measure) -> Picture:
    """Show each task and slice as measured, when nothing was trained to compare with."""
    ordered = [s for s in measure.scores if not s.slice]
    ordered += sorted((s for s in measure.scores if s.slice), key=lambda s: s.score.mean)
    chosen = ordered[:MOST_ROWS]
    scale = scale_over(v for s in chosen for v in (s.score.low, s.score.high))
    rows = [
        Row(
            label=_label(score),
            note=_items_note(score),
            marks=(_mark(scale, "after", score.score),),
            value=f"{number(score.score.mean)} {interval(score.score.low, score.score.high)}",
            is_strong=not score.slice,
        )
        for score in chosen
    ]
    return _picture(rows, scale, num_left_out=len(ordered) - len(chosen))


def guards(records: Sequence[GuardRecord]) -> Picture:
    """Show the change of each guard against `continue`, with the largest loss that counts as none."""
    values = [v for guard in records for v in (*guard.ci, guard.change, -guard.margin)]
    scale = scale_over([*values, 0.0])
    rows = [
        Row(
            label=guard.task,
            note=("shown unharmed" if guard.ok else "not shown unharmed")
            + f", lower bound {signed(guard.lower)}"
            + (f", {signed(guard.since)} since the better of the models before" if guard.since is not None else ""),
            marks=(_mark(scale, "good" if guard.ok else "bad", Estimate(guard.change, *guard.ci)),),
            value=f"{signed(guard.change)} {signed_interval(*guard.ci)}",
            is_strong=not guard.ok,
        )
        for guard in records
    ]
    margin = max(guard.margin for guard in records)
    limit = Tick(scale.at(-margin), f"margin {signed(-margin)}")
    return _picture(rows, scale, zero=0.0, limit=limit)


def data_slices(slices: Sequence[DataSliceRecord], named: Mapping[str, str]) -> Picture:
    """Show the effect of training rows of each slice on the failing items; to the right, more of it helps.

    Args:
        slices: Slices of training rows, the most important first.
        named: Slice that the finding names.
    """
    chosen = slices[:8]
    scale = scale_over([0.0, *(v for data in chosen for v in (*data.ci, data.effect))])
    rows = [
        Row(
            label=slice_words(data.slice),
            note=f"{data.num_examples:,} rows in the corpus"
            + (f", {data.num_pool:,} in the pool" if data.num_pool else "")
            + (f"; loss {' → '.join(f'{loss:.2f}' for loss in data.losses)}" if data.losses else ""),
            marks=(_mark(scale, "good" if data.effect >= 0 else "bad", Estimate(data.effect, *data.ci)),),
            value=f"{signed(data.effect)} {signed_interval(*data.ci)}",
            is_strong=data.slice == named,
        )
        for data in chosen
    ]
    return _picture(rows, scale, zero=0.0, num_left_out=len(slices) - len(chosen))


def experiments(made: Sequence[Experiment]) -> Picture:
    """Show what each repair did in small trainings, as a share of the gap; the limit is what it has to close."""
    scale = scale_over([0.0, *(value for one in made for value in (one.effect.low, one.effect.high))])
    rows = [
        Row(
            label=one.repair,
            note=f"against {one.control}; {one.num_seeds} seeds, {percent(one.length)} of an arm's tokens; "
            + (f"score {signed(one.score.mean)}; " if one.score is not None else "")
            + (f"as many rows at random {signed(one.at_random.mean)}; " if one.at_random is not None else "")
            + f"works: {percent(one.works)}",
            marks=(_mark(scale, "good" if one.works >= SHOWN else "control", one.effect),),
            value=f"{signed(one.effect.mean)} {signed_interval(one.effect.low, one.effect.high)}",
            is_strong=one.works >= SHOWN,
        )
        for one in made
    ]
    return _picture(rows, scale, zero=0.0)


def _picture(
    rows: list[Row],
    scale: Scale,
    *,
    zero: float | None = None,
    limit: Tick | None = None,
    num_left_out: int = 0,
) -> Picture:
    at = None if zero is None else scale.at(zero)
    return Picture(tuple(rows), scale.ticks(is_signed=zero is not None), at, limit, num_left_out)


def _mark(scale: Scale, kind: str, value: Estimate, seeds: tuple[float, ...] = ()) -> Mark:
    low, high = scale.at(value.low), scale.at(value.high)
    return Mark(kind, scale.at(value.mean), low, high, tuple(scale.at(seed) for seed in seeds))


def _key(score: Score) -> tuple[str, tuple[tuple[str, str], ...]]:
    return score.task, tuple(sorted(score.slice.items()))


def _items_note(*scores: Score) -> str:
    """Number of items, and the share of answers that the extractor could not read in each score."""
    rates = [percent(score.unparsed_rate) for score in scores if score.unparsed_rate is not None]
    unparsed = f" · {' → '.join(rates)} unparsed" if rates else ""
    return f"{scores[0].num_items:,} items{unparsed}"


def _label(score: Score) -> str:
    return f"{score.task}: {slice_words(score.slice)}" if score.slice else score.task
