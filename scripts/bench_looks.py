"""Judgements with looks on trial: false acceptance, power, seeds on average, and what a plan announces, beside others.

    python scripts/bench_looks.py [--bank tests/data/gate_bank] [--loops 2000] [--json] [--seed 0]

As `bench_gate.py`, with `verify.seeds` 3 and `verify.max_seeds` 8; a judgement may end at 3, 5 or 8 seeds of each arm.
Nothing is trained: loops are played on banks of really trained runs and on models fitted to them, in which one arm's
deviation over runs can be four times that of the others. Where only one control is to be beaten the other has lost
nearly all it knew: there the level of the test itself shows, while elsewhere two controls have to be beaten by chance.

`announced` is what a plan says of the same gain when it knows the bank's noise, and `announced_80` plays the gain that
it says is seen in 80 % of runs after one earlier judgement of the same items. Gates of today's tools are played as they
describe themselves (`gate_looks.py`). Half an hour of one core.
"""

import argparse
import json
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from bench_gate import NUM_RESAMPLED, Rate, between_variance, print_banks, rate_of
from gate_arms import ArmsBank
from gate_looks import (
    MAX_SEEDS,
    OTHERS,
    LooksPlay,
    Played,
    play_announced_looks,
    play_looks,
    play_looks_rounds,
    play_others,
    play_sure_harm,
    play_today,
    prospect_at,
)
from gate_loops import NUM_ROUNDS
from gate_worlds import ARMS, Bank, FittedModel, World, load_banks

from controller.results.arm_names import CONTINUE, RANDOM

GAINS = (0.02, 0.05, 0.08, 0.12)
TIMES = 4.0
"""Deviation of the arm that varies most over that of the others, where arms vary unequally."""


Redrawn = TypeVar("Redrawn", Bank, ArmsBank)


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    play: LooksPlay
    varies: str | None = None
    """Arm that varies most over runs, in the fitted model; on the bank itself where there is none."""
    gain: float | None = None
    """Gain whose announced power is printed beside."""


@dataclass(frozen=True, slots=True)
class Outcome:
    accepted: Rate
    num_seeds: float
    """Seeds of each arm on average."""
    announced: float | None
    """Announced probability to accept, where the case has a gain."""
    announced_seeds: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, default=Path("tests/data/gate_bank"), help="folder of <world>.npz")
    parser.add_argument("--loops", type=int, default=2000, help="for each case and bank")
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    parser.add_argument("--cases", nargs="+", default=["*"], help="patterns of names, all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes; the numbers do not depend on it")
    arguments = parser.parse_args()
    started, banks = time.monotonic(), load_banks(arguments.bank)
    outcomes: dict[str, Outcome] = {}
    if not arguments.json:
        print_banks(banks)
    work = partial(outcomes_of, banks=banks, num_loops=arguments.loops, seed=arguments.seed)
    with ProcessPoolExecutor(arguments.workers, get_context("fork")) as pool:
        chosen = [case for case in cases() if any(fnmatchcase(case.name, one) for one in arguments.cases)]
        for of_case in pool.map(work, chosen):
            outcomes |= of_case
            if not arguments.json:
                print_outcomes(of_case)
    if arguments.json:
        print(json.dumps({name: asdict(outcome) for name, outcome in outcomes.items()}))
    else:
        print(f"{time.monotonic() - started:.0f} s")


def cases() -> list[Case]:
    """All of them."""
    controls = (CONTINUE, RANDOM)
    found = [
        Case("no_effect", play_looks, gain=0.0),
        Case(f"no_effect_{NUM_ROUNDS}_rounds", play_looks_rounds),
        *(Case(f"gain_{gain:g}", partial(play_looks, gain=gain), gain=gain) for gain in GAINS),
        *(Case(f"today_gain_{gain:g}_seeds_3", partial(play_today, gain=gain)) for gain in (0.0, *GAINS)),
        Case("announced_80", play_announced_looks),
        *(Case(f"sure_gain_harm_{harm}_margin", partial(play_sure_harm, harm=harm)) for harm in (1, 2)),
        *(Case(f"no_effect_only_{_other(worse)}", partial(play_looks, worse=worse)) for worse in controls),
    ]
    for arm in ARMS:
        found += [
            Case(f"{arm}_varies_no_effect", play_looks, arm),
            *(
                Case(f"{arm}_varies_no_effect_only_{_other(worse)}", partial(play_looks, worse=worse), arm)
                for worse in controls
            ),
            *(
                Case(f"today_{arm}_varies_no_effect_only_{_other(worse)}", partial(play_today, worse=worse), arm)
                for worse in controls
            ),
            Case(f"{arm}_varies_gain_0.08", partial(play_looks, gain=0.08), arm),
        ]
    for name, (gate, num_seeds) in OTHERS.items():
        play = partial(play_others, gate=gate, num_seeds=num_seeds)
        found += [
            Case(f"{name}: no effect", play),
            Case(f"{name}: no effect, {NUM_ROUNDS} rounds", partial(play, num_rounds=NUM_ROUNDS)),
            *(Case(f"{name}: gain {gain:g}", partial(play, gain=gain)) for gain in GAINS),
        ]
    return found


def world_of(case: Case, bank: Bank) -> World:
    """The bank, or its fitted model with one arm that varies over runs as the bank does and others that vary less."""
    if case.varies is None:
        return bank
    return FittedModel.of(bank).varying({arm: 1 / TIMES for arm in ARMS if arm != case.varies})


def outcomes_of(case: Case, banks: Sequence[Bank], num_loops: int, seed: int) -> dict[str, Outcome]:
    """Of each bank, by `<case>@<bank>`."""
    found = {}
    for number, bank in enumerate(banks):
        rng = np.random.default_rng([seed, number, zlib.crc32(case.name.encode())])
        rated = rated_loops(bank, partial(_played, case, rng), rng, num_loops)
        if rated is None:
            continue
        rate, num_seeds = rated
        announced = None if case.gain is None else prospect_at(bank, case.gain)
        found[f"{case.name}@{bank.name}"] = Outcome(
            rate,
            num_seeds,
            None if announced is None else announced.at_last,
            None if announced is None else announced.num_seeds,
        )
    return found


def _played(case: Case, rng: np.random.Generator, bank: Bank, num_loops: int) -> Played:
    return case.play(world_of(case, bank), rng, num_loops)


def rated_loops(
    bank: Redrawn, play: Callable[[Redrawn, int], Played], rng: np.random.Generator, num_loops: int
) -> tuple[Rate, float] | None:
    """How often loops accept, with what another set of trainings would change, and their seeds on average; None where
    no loop is played."""
    played = play(bank, num_loops)
    if not len(played.is_accepted):
        return None
    batches = [play(bank.resampled(rng), max(2, num_loops // NUM_RESAMPLED)).is_accepted for _ in range(NUM_RESAMPLED)]
    variance = between_variance([batch for batch in batches if len(batch) > 1])
    return rate_of(played.is_accepted, variance), float(played.num_seeds.mean())


def print_outcomes(outcomes: dict[str, Outcome]) -> None:
    for name, one in outcomes.items():
        rate = one.accepted
        told = "" if one.announced is None else f"  announced {one.announced:.3f}, {one.announced_seeds:.2f} seeds"
        print(
            f"{name:<56} {rate.rate:6.3f}  [{rate.low:.3f}, {rate.high:.3f}]  {one.num_seeds:5.2f} of {MAX_SEEDS} seeds"
            f"  {rate.num_loops:6d}{told}",
            flush=True,
        )


def _other(control: str) -> str:
    return RANDOM if control == CONTINUE else CONTINUE


if __name__ == "__main__":
    main()
