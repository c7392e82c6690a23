"""Loops without training: rounds judged by our gate's very rule, and by gates that are in use elsewhere.

Each `play_` takes a world, a generator and a number of loops, and tells which of them were accepted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from gate_worlds import TARGET, Arms, Items, World, add_gain, add_loss, arm_scores
from numpy.typing import NDArray
from scipy import special

from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM
from controller.results.verdict_json import GroupRecord
from controller.verdict.arms import num_by_chance
from controller.verdict.groups import TIMES_MARGIN
from controller.verdict.guards import REST
from controller.verdict.promise import POWER, measured_on
from controller.verdict.ruling import Ruling, rule
from controller.verdict.settings import Verify
from evals.statistics.harm import group_changes
from evals.statistics.power import Judgement, MeasuredOn, detectable_gain
from evals.statistics.run_variance import RunVariance, run_noise
from evals.statistics.spending import alpha_at

SETTINGS = Verify()
NUM_BY_CHANCE = num_by_chance(SETTINGS.controls)
NUM_ROUNDS = 30
LOOPS_PER_ANNOUNCEMENT = 5
NUM_BOOTSTRAPS = 400
NAIVE_LEVEL = 0.025

Play = Callable[[World, np.random.Generator, int], NDArray[np.bool_]]


def play_ours(
    world: World,
    rng: np.random.Generator,
    num_loops: int,
    *,
    num_seeds: int,
    gain: float = 0.0,
    is_guarded: bool = True,
) -> NDArray[np.bool_]:
    return np.array(
        [
            ruling(world, world.items(rng), rng, num_seeds, gain, is_guarded=is_guarded).is_accepted
            for _ in range(num_loops)
        ],
        dtype=bool,
    )


def play_sure_gain(
    world: World, rng: np.random.Generator, num_loops: int, *, num_seeds: int, harm: float
) -> NDArray[np.bool_]:
    """Nine tenths of all failures mended, a guard harmed by `harm` margins: only the guards can reject."""
    gain = 0.9 * (1 - world.base_score(TARGET))
    return np.array(
        [ruling(world, world.items(rng), rng, num_seeds, gain, harm).is_accepted for _ in range(num_loops)], dtype=bool
    )


def play_rounds(world: World, rng: np.random.Generator, num_loops: int, *, num_seeds: int) -> NDArray[np.bool_]:
    """Whether any of the rounds of a loop accepts; a quarter of the loops, each with the same items in all rounds."""
    accepted = []
    for _ in range(max(1, num_loops // 4)):
        items, earlier = world.items(rng), list[RunVariance]()
        for look in range(1, NUM_ROUNDS + 1):
            result = ruling(world, items, rng, num_seeds, earlier=earlier, alpha=alpha_at(look))
            if result.is_accepted:
                break
            earlier.append(result.own)
        accepted.append(result.is_accepted)
    return np.array(accepted, dtype=bool)


def play_announced(
    world: World, rng: np.random.Generator, num_loops: int, *, num_seeds: int, harm: float = 0.0
) -> NDArray[np.bool_]:
    """Loops with the true gain that was announced; none where no possible gain was."""
    accepted: list[bool] = []
    for start in range(0, num_loops, LOOPS_PER_ANNOUNCEMENT):
        items = world.items(rng)
        gain = announced_gain(items, rng, num_seeds)
        if gain is not None:
            loops = min(LOOPS_PER_ANNOUNCEMENT, num_loops - start)
            accepted += [ruling(world, items, rng, num_seeds, gain, harm).is_accepted for _ in range(loops)]
    return np.array(accepted, dtype=bool)


def announced_gain(items: Items, rng: np.random.Generator, num_seeds: int) -> float | None:
    """What a plan would announce, the noise known from one earlier judgement and the score from one model."""
    earlier, before = items.arms(rng, num_seeds), items.arms(rng, 1)
    measured = [
        measured_on(
            float(before[name][CONTINUE].mean()), before[name][CONTINUE].size, SETTINGS, run_noise(of_same_rows(arms))
        )
        for name, arms in earlier.items()
    ]
    guards, num_controls = tuple(measured[1:]), len(SETTINGS.controls)
    judgement = Judgement(
        measured[0], num_seeds, alpha_at(1), num_controls, guards, SETTINGS.margin, num_by_chance=NUM_BY_CHANCE
    )
    return detectable_gain(judgement, POWER)


def of_same_rows(arms: Mapping[str, NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Scores of the arms that train on the same rows with each seed."""
    return [scores for name, scores in arms.items() if name != RANDOM]


@dataclass(frozen=True, slots=True)
class OneRound:
    ruling: Ruling
    own: RunVariance

    @property
    def is_accepted(self) -> bool:
        return self.ruling.is_accepted


def ruling(
    world: World,
    items: Items,
    rng: np.random.Generator,
    num_seeds: int,
    gain: float = 0.0,
    harm: float = 0.0,
    *,
    alpha: float = alpha_at(1),
    earlier: Sequence[RunVariance] = (),
    is_guarded: bool = True,
) -> OneRound:
    """One round, judged by the loop's rule; `harm` in margins, to the guard with most items."""
    arms = trained_arms(world, items, rng, num_seeds, gain, harm)
    guards = {name: arm_scores(arms[name]) for name in world.guards} if is_guarded else {}
    own = run_noise(of_same_rows(arms[TARGET])).run
    return OneRound(rule(arm_scores(arms[TARGET]), guards, (), alpha, SETTINGS.margin, earlier), own)


def trained_arms(
    world: World, items: Items, rng: np.random.Generator, num_seeds: int, gain: float, harm: float
) -> Arms:
    """Arms of one round, the challenger with a gain and with `harm` margins lost on the guard with most items."""
    arms = items.arms(rng, num_seeds)
    arms[TARGET][CHALLENGER] = add_gain(rng, arms[TARGET][CHALLENGER], gain, world.base_score(TARGET))
    if harm:
        guard = max(world.guards, key=lambda name: arms[name][CHALLENGER].shape[1])
        loss = harm * SETTINGS.margin
        arms[guard][CHALLENGER] = add_loss(rng, arms[guard][CHALLENGER], loss, world.base_score(guard))
    return arms


# Endpoints that are a half of a task whose other half nobody lists as a guard


@dataclass(frozen=True, slots=True)
class Halved:
    """Half of the target's items as the endpoint; the others, and those of every guard, are the rest."""

    half: NDArray[np.int64]
    """Columns of the target."""

    @classmethod
    def of(cls, world: World, items: Items, rng: np.random.Generator) -> "Halved":
        num_items = items.arms(rng, 1)[TARGET][CHALLENGER].shape[1]
        return cls(rng.permutation(num_items)[: num_items // 2])

    def endpoint(self, arms: Arms) -> dict[str, NDArray[np.float64]]:
        return {name: scores[:, self.half] for name, scores in arms[TARGET].items()}

    def rest(self, arms: Arms) -> Arms:
        """Parts of the rest, each a group."""
        other = {name: np.delete(scores, self.half, axis=1) for name, scores in arms[TARGET].items()}
        return {"other half": other} | {name: of for name, of in arms.items() if name != TARGET}


def pooled(parts: Arms) -> dict[str, NDArray[np.float64]]:
    return {arm: np.concatenate([of[arm] for of in parts.values()], axis=1) for arm in next(iter(parts.values()))}


def play_unlisted(
    world: World,
    rng: np.random.Generator,
    num_loops: int,
    *,
    num_seeds: int,
    harm: float,
    is_sure: bool = False,
    is_one_class: bool = False,
) -> NDArray[np.bool_]:
    """No guard is listed, and the rest loses `harm` margins: all of it alike, or the other half of the task alone.

    The gain is the announced one, or with `is_sure` nine tenths of all failures.
    """
    accepted: list[bool] = []
    for start in range(0, num_loops, LOOPS_PER_ANNOUNCEMENT):
        items = world.items(rng)
        halved = Halved.of(world, items, rng)
        base = world.base_score(TARGET)
        gain = 0.9 * (1 - base) if is_sure else announced_unlisted(items, halved, rng, num_seeds)
        if gain is not None:
            accepted += [
                _is_unlisted_accepted(items.arms(rng, num_seeds), halved, rng, gain, harm, base, is_one_class)
                for _ in range(min(LOOPS_PER_ANNOUNCEMENT, num_loops - start))
            ]
    return np.array(accepted, dtype=bool)


def announced_unlisted(items: Items, halved: Halved, rng: np.random.Generator, num_seeds: int) -> float | None:
    """As `announced_gain`, the rest being the one guard."""
    earlier, before = items.arms(rng, num_seeds), items.arms(rng, 1)

    def known(scores: Callable[[Arms], dict[str, NDArray[np.float64]]]) -> MeasuredOn:
        own = scores(before)[CONTINUE]
        return measured_on(float(own.mean()), own.size, SETTINGS, run_noise(of_same_rows(scores(earlier))))

    endpoint, rest = known(halved.endpoint), known(lambda arms: pooled(halved.rest(arms)))
    num_controls = len(SETTINGS.controls)
    judgement = Judgement(
        endpoint, num_seeds, alpha_at(1), num_controls, (rest,), SETTINGS.margin, num_by_chance=NUM_BY_CHANCE
    )
    return detectable_gain(judgement, POWER)


def _is_unlisted_accepted(
    arms: Arms,
    halved: Halved,
    rng: np.random.Generator,
    gain: float,
    harm: float,
    base: float,
    is_one_class: bool,
) -> bool:
    endpoint, parts = halved.endpoint(arms), halved.rest(arms)
    endpoint[CHALLENGER] = add_gain(rng, endpoint[CHALLENGER], gain, base)
    num_rest = sum(of[CHALLENGER].shape[1] for of in parts.values())
    for name, of in parts.items() if harm else ():
        if is_one_class and name != "other half":
            continue
        share = of[CHALLENGER].shape[1] / num_rest if is_one_class else 1.0
        right = float(of[CONTINUE].mean())
        loss = min(harm * SETTINGS.margin / share, right)
        of[CHALLENGER] = add_loss(rng, of[CHALLENGER], loss, right)
    compared = group_changes(
        {name: list(arm_scores(of).values()) for name, of in parts.items()}, TIMES_MARGIN * SETTINGS.margin
    )
    groups = [
        GroupRecord(
            {"task": name},
            found.change.num_items,
            0.0,
            0.0,
            0.0,
            found.change.mean,
            (found.change.low, found.change.high),
            found.p,
            found.is_harmed,
        )
        for name, found in compared.items()
    ]
    guards = {REST: arm_scores(pooled(parts))}
    return rule(arm_scores(endpoint), guards, groups, alpha_at(1), SETTINGS.margin, ()).is_accepted


# Gates that are in use elsewhere: challenger against `continue`, each [num_seeds, num_items]

NaiveGate = Callable[[NDArray[np.float64], NDArray[np.float64]], bool]


def higher_score(challenger: NDArray[np.float64], control: NDArray[np.float64]) -> bool:
    return bool(challenger.mean() > control.mean())


def mcnemar(challenger: NDArray[np.float64], control: NDArray[np.float64]) -> bool:
    """Exact and one-sided, the answers of all seeds in one table."""
    fixed, broken = int((challenger > control).sum()), int((challenger < control).sum())
    return bool(fixed and special.bdtrc(fixed - 1, fixed + broken, 0.5) < NAIVE_LEVEL)


def item_bootstrap(challenger: NDArray[np.float64], control: NDArray[np.float64]) -> bool:
    """Items drawn again; the scores are means over seeds."""
    differences = challenger.mean(axis=0) - control.mean(axis=0)
    return bool(np.quantile(_draws(len(differences)) @ differences, NAIVE_LEVEL) > 0)


def play_naive(
    world: World, rng: np.random.Generator, num_loops: int, *, gate: NaiveGate, num_seeds: int, num_rounds: int = 1
) -> NDArray[np.bool_]:
    """Whether any of the rounds is accepted."""

    def is_accepted(items: Items) -> bool:
        arms = items.arms(rng, num_seeds)[TARGET]
        return gate(arms[CHALLENGER], arms[CONTINUE])

    loops = (world.items(rng) for _ in range(num_loops))
    return np.array([any(is_accepted(items) for _ in range(num_rounds)) for items in loops], dtype=bool)


@lru_cache(maxsize=8)
def _draws(num_items: int) -> NDArray[np.float64]:
    """[NUM_BOOTSTRAPS, num_items] shares of each item."""
    rng = np.random.default_rng(0)
    return rng.multinomial(num_items, np.full(num_items, 1 / num_items), size=NUM_BOOTSTRAPS) / num_items
