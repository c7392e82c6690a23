"""The gate on trial: how often it accepts what has no effect, misses what has one, and lets harm to a guard pass.

    python scripts/bench_gate.py [--bank tests/data/gate_bank] [--loops 2000] [--json] [--picture gate.svg] [--seed 0]

Nothing is trained: loops are played on banks of really trained runs, and on a model fitted to them
(`gate_worlds.py`). What is judged is judged by `controller.verify.rule`, the rule of the loop: two controls, guards,
the alpha of the look. Beside it stand gates that are in use elsewhere. All banks in the folder count alike.

Intervals are 95 %: the binomial noise of the loops (Wilson) and, in quadrature, the deviation of the rate over
banks whose runs were drawn again with replacement, less the binomial noise of those.

The gain that is announced is what a plan would announce after one earlier judgement of the same items; where no
possible gain is, nothing is announced and there are fewer loops.
"""

import argparse
import json
import math
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from gate_worlds import TARGET, Bank, FittedModel, Items, World, add_gain, add_loss, arm_scores, load_banks
from numpy.typing import NDArray
from scipy import special

from controller.arms import CHALLENGER, CONTINUE
from controller.promise import POWER, measured_on
from controller.settings import Verify
from controller.verify import Ruling, rule
from evals.compare import alpha_at
from evals.intervals import wilson
from evals.power import Judgement, detectable_gain
from evals.run_variance import RunVariance, run_noise

SETTINGS = Verify()
NUM_RESAMPLED = 20
"""Banks with runs drawn again."""
NUM_ROUNDS = 30
ROUNDS_OF_BEST = 5
LOOPS_PER_ANNOUNCEMENT = 20
NUM_BOOTSTRAPS = 400
NAIVE_LEVEL = 0.025
GAINS = (0.02, 0.05, 0.1)
SEEDS = (3, 5, 8)

Play = Callable[[World, np.random.Generator, int], NDArray[np.bool_]]
"""World, generator and number of loops -> which of them were accepted."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    play: Play
    is_fitted: bool = False
    """On the fitted model instead of the bank."""


@dataclass(frozen=True, slots=True)
class Rate:
    rate: float
    low: float
    high: float
    num_loops: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, default=Path("tests/data/gate_bank"), help="folder of <world>.npz")
    parser.add_argument("--loops", type=int, default=2000, help="for each case, over all banks")
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    parser.add_argument("--picture", type=Path, help="SVG, PNG or PDF file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes; the numbers do not depend on it")
    arguments = parser.parse_args()
    started, banks = time.monotonic(), load_banks(arguments.bank)
    rates: dict[str, Rate] = {}
    if not arguments.json:
        print_banks(banks)
    work = partial(rates_of, banks=banks, num_loops=arguments.loops, seed=arguments.seed)
    with ProcessPoolExecutor(arguments.workers, get_context("fork")) as pool:
        for of_case in pool.map(work, cases(banks)):
            rates |= of_case
            if not arguments.json:
                print_rates(of_case)
    if arguments.picture:
        from gate_picture import draw  # noqa: PLC0415  # matplotlib takes a second to import

        draw(rates, arguments.picture)
    if arguments.json:
        print(json.dumps({name: {k: getattr(rate, k) for k in Rate.__slots__} for name, rate in rates.items()}))
    else:
        print(f"{time.monotonic() - started:.0f} s")


def cases(banks: Sequence[Bank]) -> list[Case]:
    """All of them; those of harm need a guard in every bank, those of 8 seeds 24 runs."""
    seeds = [number for number in SEEDS if all(bank.num_runs >= 3 * number for bank in banks)]
    has_guards = all(bank.guards for bank in banks)
    found = [
        Case("no_effect", partial(play_ours, num_seeds=3)),
        Case("no_effect_30_rounds", partial(play_rounds, num_seeds=3)),
        *(Case(f"ours_no_effect_seeds_{n}", partial(play_ours, num_seeds=n)) for n in seeds[1:]),
        Case("ours_no_effect_without_guards_seeds_3", partial(play_ours, num_seeds=3, is_guarded=False)),
        *(
            Case(f"ours_gain_{gain:g}_seeds_{n}", partial(play_ours, num_seeds=n, gain=gain))
            for gain in GAINS
            for n in seeds
        ),
        *(Case(f"ours_announced_seeds_{n}", partial(play_announced, num_seeds=n)) for n in seeds[:2]),
    ]
    if has_guards:
        for times in (1, 2):
            found += [
                Case(f"ours_{gain}_harm_{times}_margin_seeds_{n}", partial(play, num_seeds=n, harm=times))
                for gain, play in (("announced", play_announced), ("sure_gain", play_sure_gain))
                for n in seeds[:2]
            ]
    for n in (1, 2, 3, 5):
        found += [
            Case(f"{gate.__name__}_no_effect_seeds_{n}", partial(play_naive, gate=gate, num_seeds=n))
            for gate in (higher_score, mcnemar, item_bootstrap)
        ]
        found.append(
            Case(
                f"best_of_{ROUNDS_OF_BEST}_rounds_no_effect_seeds_{n}",
                partial(play_naive, gate=mcnemar, num_seeds=n, num_rounds=ROUNDS_OF_BEST),
            )
        )
    found += [
        Case("fitted_no_effect_seeds_3", partial(play_ours, num_seeds=3), is_fitted=True),
        Case("fitted_no_effect_30_rounds_seeds_3", partial(play_rounds, num_seeds=3), is_fitted=True),
        *(Case(f"fitted_announced_seeds_{n}", partial(play_announced, num_seeds=n), True) for n in seeds[:2]),
    ]
    return found


# Our gate


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
            float(before[name][CONTINUE].mean()), before[name][CONTINUE].size, SETTINGS, run_noise(list(arms.values()))
        )
        for name, arms in earlier.items()
    ]
    return detectable_gain(
        Judgement(measured[0], num_seeds, alpha_at(1), len(SETTINGS.controls), tuple(measured[1:]), SETTINGS.margin),
        POWER,
    )


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
    arms = items.arms(rng, num_seeds)
    arms[TARGET][CHALLENGER] = add_gain(rng, arms[TARGET][CHALLENGER], gain, world.base_score(TARGET))
    if harm:
        guard = max(world.guards, key=lambda name: arms[name][CHALLENGER].shape[1])
        loss = harm * SETTINGS.margin
        arms[guard][CHALLENGER] = add_loss(rng, arms[guard][CHALLENGER], loss, world.base_score(guard))
    guards = {name: arm_scores(arms[name]) for name in world.guards} if is_guarded else {}
    own = run_noise(list(arms[TARGET].values())).run
    return OneRound(rule(arm_scores(arms[TARGET]), guards, alpha, SETTINGS.margin, earlier), own)


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


# Rates


def rates_of(case: Case, banks: Sequence[Bank], num_loops: int, seed: int) -> dict[str, Rate]:
    """Of all banks together, and of each by itself where there are several and it is the gate's level."""
    own = max(1, num_loops // len(banks))
    outcomes, variances = [], []
    for number, bank in enumerate(banks):
        rng = np.random.default_rng([seed, number, zlib.crc32(case.name.encode())])
        outcomes.append(case.play(_world(case, bank), rng, own))
        batches = [
            case.play(_world(case, bank.resampled(rng)), rng, max(2, own // NUM_RESAMPLED))
            for _ in range(NUM_RESAMPLED)
        ]
        variances.append(between_variance([batch for batch in batches if len(batch) > 1]))
    played = [number for number, of_bank in enumerate(outcomes) if len(of_bank)]
    if not played:
        return {}
    whole = rate_of(np.concatenate([outcomes[k] for k in played]), sum(variances[k] for k in played) / len(played) ** 2)
    if len(banks) == 1 or "no_effect" not in case.name or case.name.startswith("best"):
        return {case.name: whole}
    return {case.name: whole} | {f"{case.name}@{banks[k].name}": rate_of(outcomes[k], variances[k]) for k in played}


def rate_of(outcomes: NDArray[np.bool_], variance: float) -> Rate:
    binomial = wilson(int(outcomes.sum()), len(outcomes))
    bank = 1.96 * math.sqrt(max(variance, 0.0))
    low = binomial.mean - math.hypot(binomial.mean - binomial.low, bank)
    high = binomial.mean + math.hypot(binomial.high - binomial.mean, bank)
    return Rate(binomial.mean, max(low, 0.0), min(high, 1.0), len(outcomes))


def between_variance(batches: Sequence[NDArray[np.bool_]]) -> float:
    """Variance of the rate over banks, without the binomial noise of each bank's loops; may come out negative."""
    if len(batches) < 2:
        return 0.0
    rates = np.array([batch.mean() for batch in batches])
    noise = np.mean([batch.mean() * (1 - batch.mean()) / (len(batch) - 1) for batch in batches])
    return float(rates.var(ddof=1) - noise)


def _world(case: Case, bank: Bank) -> World:
    return FittedModel.of(bank) if case.is_fitted else bank


def print_banks(banks: Sequence[Bank]) -> None:
    for bank in banks:
        parts = [
            f"{name} {scores.shape[1]} items {scores.mean():.3f}, runs deviate {scores.mean(axis=1).std(ddof=1):.4f}"
            for name, scores in bank.slices.items()
        ]
        print(f"{bank.name}: {bank.num_runs} runs; {'; '.join(parts)}")
    print(f"\n{'case':<44} {'rate':>6}  {'95 % interval':<14}  {'loops':>6}")


def print_rates(rates: Mapping[str, Rate]) -> None:
    for name, rate in rates.items():
        print(f"{name:<44} {rate.rate:6.3f}  [{rate.low:.3f}, {rate.high:.3f}]  {rate.num_loops:6d}", flush=True)


if __name__ == "__main__":
    main()
