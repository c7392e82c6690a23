"""What `scripts/bench_scan_noise.py` keeps of each seed, and its table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter
from scipy import stats

from controller.engine.whole_file import write_whole
from controller.results.verdict_json import Decision, LookRecord
from evals.statistics.intervals import Estimate

LARGE, SMALL = 0.08, 0.02
"""True gain from which a fix should be accepted, and below which it never should."""
LEAST_ACCEPTED = 4
"""Of five fixes with a large gain."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Many trainings of the fix and of the control that was hardest to beat, none of which the loop has seen."""

    split: str
    num_items: int
    """Items of the endpoint in the split."""
    fix: tuple[float, ...]
    """Mean score on these of each training."""
    control: tuple[float, ...]

    @property
    def gain(self) -> Estimate:
        """Difference of means with its 95 % interval over trainings, variances not assumed equal (Welch 1947)."""
        test = stats.ttest_ind(self.fix, self.control, equal_var=False)
        between = test.confidence_interval(0.95)
        return Estimate(float(np.mean(self.fix) - np.mean(self.control)), float(between.low), float(between.high))


@dataclass(frozen=True, slots=True)
class NoiseResult:
    """One seed of the data: what the loop decided, and what the truth is."""

    seed: int
    code_version: str
    cause: str
    """First cause named; empty where nothing was found."""
    probability: float
    slice: Mapping[str, str]
    """Failing slice that it was named for."""
    num_wrong: int
    num_wrong_left: int
    """Rows with a wrong label that the fix takes out of the corpus."""
    num_right: int
    num_right_left: int
    """Likewise of those with a right one."""
    actions: tuple[str, ...]
    before: float
    """Score of the first model on the endpoint; 0 where no fix was judged."""
    decision: Decision
    reason: str
    hardest: str
    """Control that was hardest to beat; empty where no fix was judged."""
    looks: tuple[LookRecord, ...]
    arms: Mapping[str, tuple[float, ...]]
    """Score on the endpoint of each training of the loop."""
    truths: tuple[Truth, ...] = ()
    """On the endpoint's own items, and on items that nothing has read; empty as long as it is not measured."""
    seconds: Mapping[str, float] | None = None
    """Summed seconds of the stages, by kind."""

    @property
    def num_seeds(self) -> int:
        """Training seeds of each arm when the judgement ended."""
        return max((look.num_seeds for look in self.looks), default=0)

    @property
    def num_trainings(self) -> int:
        """Further trainings of each arm that the truth has."""
        return min((len(one.fix) for one in self.truths), default=0)

    @property
    def is_accepted(self) -> bool:
        return self.decision is Decision.ACCEPTED


def read_results(path: Path) -> dict[int, NoiseResult]:
    """Kept seeds; none where there is no file."""
    text = path.read_text().splitlines() if path.is_file() else []
    results = [TypeAdapter(NoiseResult).validate_json(line) for line in text]
    return {result.seed: result for result in results}


def write_results(results: Mapping[int, NoiseResult], path: Path) -> None:
    """Replace the file, a line for each seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = (results[seed] for seed in sorted(results))
    write_whole(path, b"".join(TypeAdapter(NoiseResult).dump_json(one) + b"\n" for one in kept))


_HEAD = (
    "| seed | cause | wrong rows left | right rows left | before | fix, hardest control | gain over the looks "
    "| decision, seeds | true gain, same items | true gain, unread items |\n|" + "---|" * 10
)


def table(results: Sequence[NoiseResult]) -> Iterator[str]:
    """A line for each seed, and what is asked of all of them."""
    yield _HEAD
    yield from map(row, results)
    yield ""
    yield from claims(results)


def row(result: NoiseResult) -> str:
    """One line of the table."""
    trained = {name: f"{np.mean(scores):.3f}" for name, scores in result.arms.items()}
    fix, control = (trained.get(name, "") for name in ("challenger", result.hardest))
    cells = (
        str(result.seed),
        f"{result.cause} ({result.probability:.2f})" if result.cause else "none",
        f"{result.num_wrong_left:,} of {result.num_wrong:,}",
        f"{result.num_right_left:,} of {result.num_right:,}",
        f"{result.before:.3f}" if result.arms else "",
        f"{fix}, {control} (`{result.hardest}`)" if result.hardest else "not judged",
        ", ".join(f"{look.gain.mean:+.3f} (above {look.boundary:.3f})" for look in result.looks),
        f"{result.decision.value}, {result.num_seeds}",
        *([_told(one.gain) for one in result.truths] or ["not measured"] * 2),
    )
    return f"| {' | '.join(cells)} |"


def claims(results: Sequence[NoiseResult]) -> Iterator[str]:
    """What is asked, beside what came; a true gain is that on the endpoint's own items."""
    known = [(result, result.truths[0].gain.mean) for result in results if result.truths]
    large = [result for result, gain in known if gain >= LARGE]
    small = [result for result, gain in known if gain < SMALL]
    yield (
        f"{len(known)} of {len(results)} seeds with a measured truth. True gain of at least {LARGE:g}: "
        f"{sum(one.is_accepted for one in large)} of {len(large)} accepted ({LEAST_ACCEPTED} of 5 asked). Below "
        f"{SMALL:g}: {sum(one.is_accepted for one in small)} of {len(small)} accepted (none asked). Between: "
        f"{sum(one.is_accepted for one, gain in known if SMALL <= gain < LARGE)} of "
        f"{len(known) - len(large) - len(small)} accepted."
    )


def _told(gain: Estimate) -> str:
    return f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
