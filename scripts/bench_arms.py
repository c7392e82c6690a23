"""Judgements of arms that were really trained otherwise: false acceptance where their runs go apart by unequal amounts.

    python scripts/bench_arms.py [--bank tests/data/gate_bank_real] [--loops 2000] [--seed 0] [--cases PATTERN ...]

As `bench_looks.py`, on banks of arms (`gate_arms.py`): the challenger is the steadiest arm and the old data the arm
whose runs go furthest apart, or the reverse; `random` is the steadiest of the others. All have one mean score unless
the challenger gains. Runs are drawn from a model of each arm (`gate_arms.py` says why); `today` is one look at three
seeds with a variance pooled over arms. Where only one control is to be beaten the other has lost nearly all it knew.
"""

import argparse
import time
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import numpy as np
from bench_looks import Outcome, print_outcomes, rated_loops
from gate_arms import ArmsBank, Fitted, Roles, load_arms
from gate_looks import LooksPlay, Played, play_looks, play_looks_rounds, play_sure_harm, play_today
from gate_loops import NUM_ROUNDS
from gate_worlds import TARGET

from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM

GAINS = (0.08, 0.12)
NOT_TAKEN = ("initial", "constant")
"""Arms that a loop would not hold against each other: from other weights, or by another schedule."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, default=Path("tests/data/gate_bank_real"), help="folder of <world>.npz")
    parser.add_argument("--loops", type=int, default=2000, help="for each case and bank")
    parser.add_argument("--cases", nargs="+", default=["*"], help="patterns of names, all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--banks", nargs="+", default=["*"], help="patterns of names of banks, all by default")
    arguments = parser.parse_args()
    started = time.monotonic()
    for number, bank in enumerate(load_arms(arguments.bank)):
        if not any(fnmatchcase(bank.name, one) for one in arguments.banks):
            continue
        print_arms(bank)
        for name, roles in unequal_roles(bank).items():
            print(f"{bank.name}, {name}: " + ", ".join(f"{role} is {arm}" for role, arm in roles.items()))
            for case, play in cases():
                whole = f"{name}, {case}"
                if not any(fnmatchcase(whole, one) for one in arguments.cases):
                    continue
                rng = np.random.default_rng([arguments.seed, number, zlib.crc32(whole.encode())])
                rated = rated_loops(bank, partial(_played, play, roles, rng), rng, arguments.loops)
                if rated is not None:
                    print_outcomes({f"{whole}@{bank.name}": Outcome(*rated, None, None)})
    print(f"{time.monotonic() - started:.0f} s")


def unequal_roles(bank: ArmsBank) -> dict[str, Roles]:
    """The two ways in which arms are made unequal."""
    by_deviation = sorted((arm for arm in bank.arms if arm not in NOT_TAKEN), key=bank.deviation)
    steady, next_steady, unsteady = by_deviation[0], by_deviation[1], by_deviation[-1]
    return {
        "unsteady control": {CHALLENGER: steady, CONTINUE: unsteady, RANDOM: next_steady},
        "unsteady fix": {CHALLENGER: unsteady, CONTINUE: steady, RANDOM: next_steady},
    }


def cases() -> Iterator[tuple[str, LooksPlay]]:
    """Name, and what is played."""
    yield "no effect", play_looks
    yield "no effect, only the old data", partial(play_looks, worse=RANDOM)
    yield "no effect, only random", partial(play_looks, worse=CONTINUE)
    yield "no effect, today", play_today
    yield "no effect, only the old data, today", partial(play_today, worse=RANDOM)
    for gain in GAINS:
        yield f"gain {gain:g}", partial(play_looks, gain=gain)
    yield "sure gain, harm 1 margin", partial(play_sure_harm, harm=1)
    yield "sure gain, harm 2 margins", partial(play_sure_harm, harm=2)
    yield f"no effect, {NUM_ROUNDS} rounds", play_looks_rounds


def print_arms(bank: ArmsBank) -> None:
    for name, arm in bank.arms.items():
        parts = [
            f"{part if part == TARGET else 'guard'} {scores.mean():.3f}, runs deviate "
            f"{scores.mean(axis=1).std(ddof=1):.4f}"
            for part, scores in arm.slices.items()
        ]
        print(f"{bank.name} {name}: {arm.num_runs} runs; {'; '.join(parts)}")


def _played(play: LooksPlay, roles: Roles, rng: np.random.Generator, bank: ArmsBank, num_loops: int) -> Played:
    return play(Fitted(bank, roles), rng, num_loops)


if __name__ == "__main__":
    main()
