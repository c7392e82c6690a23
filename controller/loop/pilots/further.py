"""Choose which small trainings to make for longer, or with more seeds, after the first ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from controller.loop.pilots.bench import SEEDS, Arm, Bench
from controller.stages.diagnose import Settled
from diagnose.finding.after_trials import after_trials, also_true
from diagnose.finding.finding import LEAD, SHOWN, Cause, Finding
from interventions.arms.rivals import REPAIRS, SAME

LONGER = 3
"""Tokens of a further training, as a multiple of a small one's."""
_LONGER = "-longer"
_ROUNDING = 1e-9
"""What sums of lengths may be off by."""


@dataclass(frozen=True, slots=True)
class Concluded:
    """What was concluded for a finding, and what it would be worth to try for longer."""

    settled: Settled
    """What follows from the definitions of causes; by it is chosen what is tried on."""
    finding: Finding
    """The finding as other evidence has it."""
    rising: Mapping[Cause, float]
    """Probability that a repair raises the log-likelihood as one that works does."""

    @property
    def asks_for_longer(self) -> bool:
        """Whether more of the same data may be what helps: nothing else does, or other evidence says so."""
        made = [one.works for one in self.settled.experiments if one.cause is not Cause.TRAINING_SETUP]
        return max(made, default=0.0) < SHOWN or self.finding.causes.get(Cause.TRAINING_SETUP, 0.0) >= LEAD

    @property
    def told(self) -> Settled:
        """What is told of it, when nothing more is tried."""
        values = {name: value for name, value in self.finding.evidence.items() if isinstance(value, float)}
        made, modes = self.settled.experiments, self.finding.modes
        causes = after_trials(values, self.settled.causes, made, modes=modes)
        return replace(self.settled, causes=causes, also=also_true(values, causes, made, modes=modes))


def longer(name: str) -> str:
    """Name of the arm that trains on this mix for longer."""
    return f"{name}{_LONGER}"


def further(bench: Bench, found: Sequence[Concluded], made: Mapping[str, int]) -> list[tuple[Arm, int]]:
    """Trainings of the next look, which may settle what those before left open, each with the place of its seed; none
    where nothing is open, or the budget of pilots does not allow them.

    What a repair may do shows better in a training that is three times as long than in as many more seeds: its effect
    grows with it, and the noise does not. So the likeliest of the open repairs and its control are trained on for
    longer, or get more seeds where that is too much. One at a time: what it shows may settle the others.

    Args:
        bench: What small trainings share.
        found: What the looks before concluded.
        made: Number of trainings by name of the arm.
    """
    by_name = {one.name: one for one in bench.mixes}
    jobs: list[tuple[Arm, int]] = []
    left = bench.budget - spent(bench, made)

    def add(names: Sequence[str], length: float, first: int) -> bool:
        """Add trainings with further seeds of those that have none yet, if there is room for all."""
        nonlocal left
        arms = [Arm(_arm(name, length, bench), by_name[name], length) for name in dict.fromkeys(names)]
        there = {arm.name for arm, _ in jobs}
        new = [arm for arm in arms if made.get(arm.name, 0) <= first and arm.name not in there]
        cost = length * SEEDS * len(new)
        if not new or cost > left * (1 + _ROUNDING):
            return False
        left -= cost
        jobs.extend((arm, first + seed) for arm in new for seed in range(SEEDS))
        return True

    if any(one.asks_for_longer for one in found):
        add([SAME], LONGER * bench.length, 0)
    for names in _open_repairs(bench, found):
        if all(longer(name) in made for name in names):
            continue
        if add(names, LONGER * bench.length, 0) or add(names, bench.length, SEEDS):
            break
    return jobs


def spent(bench: Bench, made: Mapping[str, int]) -> float:
    """Tokens of the trainings that were made, by name of the arm, as a multiple of an arm's of a round."""
    return sum(number * _length(name, bench) for name, number in made.items())


def _length(arm: str, bench: Bench) -> float:
    """Tokens of an arm's trainings as a share of an arm's of a round."""
    return LONGER * bench.length if arm.endswith(_LONGER) else bench.length


def _arm(name: str, length: float, bench: Bench) -> str:
    return longer(name) if length > bench.length else name


def _open_repairs(bench: Bench, found: Sequence[Concluded]) -> list[tuple[str, ...]]:
    """Repairs with their controls that may be causes and are not shown to work, the likeliest first."""
    chance: dict[tuple[str, ...], float] = {}
    for one in found:
        is_settled = max(one.settled.causes.values()) >= SHOWN and one.settled.causes.get(Cause.UNKNOWN, 0.0) < SHOWN
        for repair in REPAIRS:
            made = next((each for each in one.settled.experiments if each.cause == repair.cause), None)
            if made is None or made.works >= SHOWN:
                continue
            may_work = max(made.works, one.rising.get(repair.cause, 0.0))
            if may_work >= SHOWN or (may_work > 1 - SHOWN and not is_settled):
                names = (repair.name, *bench.controls(repair))
                chance[names] = max(chance.get(names, 0.0), may_work)
    return sorted(chance, key=lambda names: -chance[names])
