"""Loops without training whose judgements have looks, judged by the loop's very rule; and three more of others' gates.

Each `play_` tells for each loop whether it accepted and how many seeds an arm had when it ended.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from gate_loops import (
    LOOPS_PER_ANNOUNCEMENT,
    NAIVE_LEVEL,
    NUM_BY_CHANCE,
    NUM_ROUNDS,
    SETTINGS,
    mcnemar,
    of_same_rows,
    trained_arms,
)
from gate_worlds import TARGET, Arms, Bank, World, add_loss, arm_scores, item_names
from numpy.typing import NDArray
from scipy import special

from controller.results.arm_names import CHALLENGER, CONTINUE
from controller.results.verdict_json import Ending
from controller.verdict.promise import POWER, measured_on
from controller.verdict.ruling import At, rule, rule_at
from evals.statistics.compare import ArmScores
from evals.statistics.looks import Looks
from evals.statistics.looks_power import Prospect, gain_seen, prospect
from evals.statistics.power import Judgement, MeasuredOn
from evals.statistics.run_variance import RunNoise, run_noise
from evals.statistics.spending import alpha_at

MAX_SEEDS = 8
SURE_DF = 10**6
"""Degrees of freedom of a variance that is taken as known."""
LEAST_GAIN = 0.01
"""Gain from which a gate that asks for a minimum keeps a change."""


@dataclass(frozen=True, slots=True)
class Played:
    """Outcome of each loop, [num_loops]."""

    is_accepted: NDArray[np.bool_]
    num_seeds: NDArray[np.float64]
    """Training seeds of each arm, a mean over rounds where a loop has several."""

    @classmethod
    def of(cls, loops: Sequence[tuple[bool, float]]) -> "Played":
        return cls(np.array([one[0] for one in loops], dtype=bool), np.array([one[1] for one in loops], dtype=float))


LooksPlay = Callable[[World, np.random.Generator, int], Played]


def play_looks(
    world: World,
    rng: np.random.Generator,
    num_loops: int,
    *,
    gain: float = 0.0,
    harm: float = 0.0,
    worse: str | None = None,
) -> Played:
    """One judgement a loop, with looks from 3 seeds to `MAX_SEEDS`.

    Args:
        world: Bank or fitted model.
        rng: Generator of all loops.
        num_loops: Number of loops.
        gain: True gain over both controls.
        harm: Loss of the guard with most items, in margins.
        worse: A control that has lost nine tenths of what it knew, so that the other alone decides.
    """
    looks = Looks.between(SETTINGS.seeds, MAX_SEEDS, alpha_at(1))

    def one() -> tuple[bool, float]:
        arms = trained_arms(world, world.items(rng), rng, MAX_SEEDS, gain, harm)
        return judged(world, _with_worse(world, arms, rng, worse), looks)

    return Played.of([one() for _ in range(num_loops)])


def _with_worse(world: World, arms: Arms, rng: np.random.Generator, worse: str | None) -> Arms:
    if worse is not None:
        base = world.base_score(TARGET)
        arms[TARGET][worse] = add_loss(rng, arms[TARGET][worse], 0.9 * base, base)
    return arms


def play_today(
    world: World,
    rng: np.random.Generator,
    num_loops: int,
    *,
    gain: float = 0.0,
    worse: str | None = None,
    num_seeds: int = SETTINGS.seeds,
) -> Played:
    """One judgement a loop without looks, a run variance pooled over the arms that train on the same rows."""

    def one() -> bool:
        arms = _with_worse(world, trained_arms(world, world.items(rng), rng, num_seeds, gain, 0.0), rng, worse)
        guards = {name: arm_scores(arms[name]) for name in world.guards}
        return rule(arm_scores(arms[TARGET]), guards, (), alpha_at(1), SETTINGS.margin, ()).is_accepted

    return Played.of([(one(), num_seeds) for _ in range(num_loops)])


def play_sure_harm(world: World, rng: np.random.Generator, num_loops: int, *, harm: float) -> Played:
    """Nine tenths of all failures mended, a guard harmed by `harm` margins: only the guards can reject."""
    return play_looks(world, rng, num_loops, gain=0.9 * (1 - world.base_score(TARGET)), harm=harm)


def play_looks_rounds(world: World, rng: np.random.Generator, num_loops: int) -> Played:
    """Whether any of the rounds of a loop accepts; a quarter of the loops, each with the same items in all rounds."""

    def one() -> tuple[bool, float]:
        items, seeds = world.items(rng), list[float]()
        for number in range(1, NUM_ROUNDS + 1):
            looks = Looks.between(SETTINGS.seeds, MAX_SEEDS, alpha_at(number))
            is_accepted, used = judged(world, trained_arms(world, items, rng, MAX_SEEDS, 0.0, 0.0), looks)
            seeds.append(used)
            if is_accepted:
                break
        return is_accepted, float(np.mean(seeds))

    return Played.of([one() for _ in range(max(1, num_loops // 4))])


def judged(world: World, arms: Arms, looks: Looks) -> tuple[bool, int]:
    """Whether a judgement accepts, and the seeds it has had; `arms` have those of the last look."""
    for look, num_seeds in enumerate(looks.seeds):
        found = rule_at(
            _first_seeds(arms[TARGET], num_seeds),
            {
                name: _first_seeds({arm: arms[name][arm] for arm in (CHALLENGER, CONTINUE)}, num_seeds)
                for name in world.guards
            },
            (),
            At(looks, look),
            SETTINGS.margin,
        )
        if found.ending is not Ending.GOES_ON:
            break
    return found.ending is Ending.ACCEPTED, num_seeds


def _first_seeds(arms: Mapping[str, NDArray[np.float64]], num_seeds: int) -> dict[str, ArmScores]:
    """Arms as a look takes them: each with a variance of its own."""
    items = item_names(next(iter(arms.values())).shape[1])
    return {name: ArmScores(name, items, scores[:num_seeds], is_by_chance=True) for name, scores in arms.items()}


def play_announced_looks(world: World, rng: np.random.Generator, num_loops: int) -> Played:
    """Loops with the true gain that a plan says is seen in 80 % of runs; none where no possible gain is.

    The plan knows the noise from one earlier judgement with three seeds, and the score from one model.
    """
    looks, loops = Looks.between(SETTINGS.seeds, MAX_SEEDS, alpha_at(1)), list[tuple[bool, float]]()
    for _ in range(max(1, num_loops // LOOPS_PER_ANNOUNCEMENT)):
        items = world.items(rng)
        earlier, before = items.arms(rng, SETTINGS.seeds), items.arms(rng, 1)
        known = [_measured(before[name][CONTINUE], run_noise(of_same_rows(arms))) for name, arms in earlier.items()]
        gain = gain_seen(_judgement(known), MAX_SEEDS, POWER)
        if gain is not None:
            arms = (trained_arms(world, items, rng, MAX_SEEDS, gain, 0.0) for _ in range(LOOPS_PER_ANNOUNCEMENT))
            loops += [judged(world, of, looks) for of in arms]
    return Played.of(loops)


def prospect_at(bank: Bank, gain: float) -> Prospect:
    """What a plan would announce of a gain if it knew scores and noise as all runs of the bank show them.

    Loops draw their items from the bank's, so to them all of the deviation of its runs is one over infinitely many
    items, and no part of it the noise of the items that happen to be asked.
    """
    known = []
    for scores in bank.slices.values():
        noise = run_noise([scores.astype(np.float64)])
        sure = replace(noise, run=replace(noise.run, df=SURE_DF), item_noise=0.0)
        known.append(_measured(scores, sure))
    return prospect(_judgement(known), MAX_SEEDS, min(gain, 1 - known[0].base_score))


def _measured(scores: NDArray[np.generic], noise: RunNoise) -> MeasuredOn:
    return measured_on(float(scores.mean()), scores.shape[1], SETTINGS, noise)


def _judgement(known: Sequence[MeasuredOn]) -> Judgement:
    """The judgement of endpoint and guards, the endpoint first."""
    return Judgement(
        known[0],
        SETTINGS.seeds,
        alpha_at(1),
        len(SETTINGS.controls),
        tuple(known[1:]),
        SETTINGS.margin,
        num_by_chance=NUM_BY_CHANCE,
    )


# Gates of today's tools, as they describe themselves: challenger against `continue`, each [num_seeds, num_items]

OthersGate = Callable[[NDArray[np.float64], NDArray[np.float64]], bool]


def better_by_a_minimum(challenger: NDArray[np.float64], control: NDArray[np.float64]) -> bool:
    """One training of each; kept if the score is higher by `LEAST_GAIN`."""
    return bool(challenger.mean() - control.mean() >= LEAST_GAIN)


def confirmed_by_a_second_run(challenger: NDArray[np.float64], control: NDArray[np.float64]) -> bool:
    """Two trainings of each; kept if the first scores higher and so does the second."""
    return bool((challenger.mean(axis=1) > control.mean(axis=1)).all())


def e_value(challenger: NDArray[np.float64], control: NDArray[np.float64]) -> bool:
    """One training of each; the e-value of the items that flip, their share of wins uniform in (1/2, 1) against 1/2
    (a mixture likelihood ratio), has to reach one over the level."""
    won, lost = int((challenger > control).sum()), int((challenger < control).sum())
    of_wins = special.betaincc(won + 1, lost + 1, 0.5)
    if of_wins <= 0:
        return False
    log_e = special.betaln(won + 1, lost + 1) + np.log(2 * of_wins) + (won + lost) * np.log(2)
    return bool(log_e >= -np.log(NAIVE_LEVEL))


OTHERS: dict[str, tuple[OthersGate, int]] = {
    "one training and McNemar": (mcnemar, 1),
    "one training and an e-value": (e_value, 1),
    f"better by {LEAST_GAIN:g}": (better_by_a_minimum, 1),
    "better, and again in a second run": (confirmed_by_a_second_run, 2),
}
"""Gates by name, with the trainings of each arm that they take."""


def play_others(
    world: World,
    rng: np.random.Generator,
    num_loops: int,
    *,
    gate: OthersGate,
    num_seeds: int,
    gain: float = 0.0,
    num_rounds: int = 1,
) -> Played:
    """Whether any of the rounds is accepted, each with the same items."""

    def one() -> tuple[bool, float]:
        items = world.items(rng)
        for _ in range(num_rounds):
            arms = trained_arms(world, items, rng, num_seeds, gain, 0.0)[TARGET]
            if gate(arms[CHALLENGER], arms[CONTINUE]):
                return True, float(num_seeds)
        return False, float(num_seeds)

    return Played.of([one() for _ in range(num_loops if num_rounds == 1 else max(1, num_loops // 4))])
