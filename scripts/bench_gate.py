"""The gate on trial: how often it accepts what has no effect, misses what has one, and lets harm to a guard pass.

    python scripts/bench_gate.py [--bank tests/data/gate_bank] [--loops 2000] [--json] [--picture gate.svg] [--seed 0]

Nothing is trained: loops are played on banks of really trained runs, and on a model fitted to them (`gate_worlds.py`).
What is judged is judged by `controller.verdict.judge.rule`, the rule of the loop: two controls, guards, the alpha of
the look. Beside it stand gates that are in use elsewhere (`gate_loops.py`). All banks in the folder count alike;
`<case>@<bank>` is one of them.

Intervals are 95 %: the binomial noise of the loops (Wilson) and, in quadrature, the deviation of the rate over
banks whose runs were drawn again with replacement, less the binomial noise of those.

The gain that is announced is what a plan would announce after one earlier judgement of the same items; where no
possible gain is, nothing is announced and there are fewer loops. One seed or two never accept, so they are not
played. Nine minutes of one core in all.
"""

import argparse
import json
import math
import time
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from gate_loops import (
    Play,
    higher_score,
    item_bootstrap,
    mcnemar,
    play_announced,
    play_naive,
    play_ours,
    play_rounds,
    play_sure_gain,
    play_unlisted,
)
from gate_picture import draw
from gate_worlds import Bank, FittedModel, World, load_banks
from numpy.typing import NDArray

from evals.statistics.intervals import wilson

NUM_RESAMPLED = 20
"""Banks with runs drawn again."""
ROUNDS_OF_BEST = 5
GAINS = (0.02, 0.05, 0.1)
SEEDS = (3, 5, 8)


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
        draw(rates, arguments.picture)
    if arguments.json:
        print(json.dumps({name: asdict(rate) for name, rate in rates.items()}))
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
        *(Case(f"ours_no_effect_30_rounds_seeds_{n}", partial(play_rounds, num_seeds=n)) for n in seeds[1:]),
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
        found += [
            Case(f"ours_unlisted_announced_seeds_{n}", partial(play_unlisted, num_seeds=n, harm=0)) for n in seeds[:2]
        ]
        found += [
            Case(
                f"ours_unlisted_{'one_class_' if is_one_class else ''}harm_2_margin_seeds_{n}",
                partial(play_unlisted, num_seeds=n, harm=2, is_sure=True, is_one_class=is_one_class),
            )
            for is_one_class in (False, True)
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
