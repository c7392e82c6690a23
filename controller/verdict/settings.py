"""Settings of the verdict: `verify.*`."""

from dataclasses import asdict, dataclass, field
from typing import Any

from controller.verdict.arms import ControlArm, control_arms
from evals.statistics.compare import MIN_SEEDS
from evals.statistics.looks import Looks
from evals.statistics.power import MOST_SEEDS
from evals.validation import check_doses, one_of, positive


@dataclass
class Verify:
    """`verify.*`: how a fix is judged."""

    seeds: int = 3
    """Number of training seeds for each arm at first; the gate needs at least 3."""
    max_seeds: int = 8
    """Most training seeds for each arm: where the first `verify.seeds` do not decide, more are trained and looked at
    again, at levels that share the same error. No more than `verify.seeds` means one look; so do fewer than 3 seeds."""
    alpha: float = 0.025
    """One-sided error level over all looks at the same items."""
    margin: float = 0.03
    """Largest loss on a guard that counts as none."""
    min_gain: float = 0.05
    """Smallest useful gain."""
    arms: list[str] = field(default_factory=lambda: ["continue", "random"])
    """Controls that the fix must beat, all of them (`interventions.controls`); `from:SOURCE` has rows of one source;
    `random@compute` is `random` with the FLOPs of the fix, diagnosis included. `verify=full` has all but sources."""
    match: str = "tokens"
    """Amount that challenger and controls have in common: tokens, or compute with the diagnosis counted in."""
    take_random: bool = True
    """Where random rows do as well as the fix and both beat the old data, the model trained on them is the next
    champion, or the fix's where only that does no harm; false leaves the old one."""
    doses: list[float] = field(default_factory=list)
    """Multiples of the rows that the fix adds, as 0.5 or 2, each trained and measured beside it, to show whether less
    would have done or more does more. They describe and decide nothing."""
    run_sd: float = 0.015
    """Deviation over training seeds that the power calculation assumes at a score of one half, until earlier
    judgements of the same items have measured it."""
    model: str | None = None
    """Folder or hub id of the model before, for the verb `verify`."""
    challenger: Any = None
    """Folder or hub id of the model after, for the verb `verify`, or a list of them, one for each training seed."""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"verify.seeds must be at least 1, got {self.seeds}; the gate accepts from 3 on")
        if not 1 <= self.max_seeds <= MOST_SEEDS:
            raise ValueError(
                f"verify.max_seeds must be from 1 to {MOST_SEEDS}, got {self.max_seeds}; the number of verify.seeds "
                f"({self.seeds}) means one look"
            )
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"verify.alpha must be between 0 and .5, got {self.alpha}")
        positive("verify.margin", self.margin)
        positive("verify.min_gain", self.min_gain)
        positive("verify.run_sd", self.run_sd)
        if isinstance(self.challenger, str):
            self.challenger = [self.challenger]
        if self.challenger is not None and not all(isinstance(name, str) for name in self.challenger):
            raise ValueError(f"verify.challenger must be a folder or hub id, or a list of them, got {self.challenger}")
        one_of("verify.match", self.match, ("tokens", "compute"))
        control_arms(self.arms, self.match)
        check_doses("verify.doses", self.doses)

    @property
    def determining(self) -> dict[str, Any]:
        """Settings that a verdict depends on: all but the doses, which a finished run may add, and but a number of most
        seeds that allows one look only."""
        left_out = {"doses"} if self.has_looks else {"doses", "max_seeds"}
        return {key: value for key, value in asdict(self).items() if key not in left_out}

    @property
    def last_seeds(self) -> int:
        """Training seeds of each arm at the last look; with fewer than the gate needs there is one."""
        return max(self.seeds, self.max_seeds) if self.seeds >= MIN_SEEDS else self.seeds

    @property
    def has_looks(self) -> bool:
        """Whether a judgement may have more than one look."""
        return self.last_seeds > self.seeds

    def looks(self, alpha: float) -> Looks | None:
        """Looks of a judgement at this level; None where there is one, at `seeds`."""
        return Looks.between(self.seeds, self.last_seeds, alpha) if self.has_looks else None

    @property
    def controls(self) -> tuple[ControlArm, ...]:
        return control_arms(self.arms, self.match)
