"""Ways to narrow intervals of the gate, measured on really trained arms: what each gives, and what it accepts falsely.

    python scripts/bench_variance.py [--bank tests/data/gate_bank_real] [--loops 2000] [--parts a b c d]

(a) The weights of the last checkpoints are averaged: deviation over seeds, score, and seeds that a gain needs.
(b) Runs of one seed, which draw their common rows in one order, are pairs.
(c) Items' differences are regressed on what the champion said of them (log-likelihood of the gold less that of the best
    other choice), known of the items of another split as well.
(d) A control that can no longer be the hardest is trained no more.

Widths are those of the gate's one-sided bound at the level of the last look, as a ratio to what the gate has; seeds
needed go with the square of the standard error over the gain. Nothing is trained.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from bench_gate import rate_of
from gate_arms import ArmsBank, Fitted, Runs, load_arms
from gate_looks import MAX_SEEDS, play_looks
from gate_worlds import TARGET, add_gain, add_loss
from numpy.typing import NDArray
from variance_ideas import (
    Ended,
    Tested,
    by_covariates,
    by_own_runs,
    by_pairs,
    explained_variance,
    features,
    judged_with_drops,
)

from controller.results.arm_names import CHALLENGER, CONTINUE, RANDOM
from controller.verdict.settings import Verify
from evals.statistics.looks import Looks
from evals.statistics.spending import alpha_at

LEVEL = Looks.between(Verify().seeds, MAX_SEEDS, alpha_at(1)).levels[-1]
SEEDS = (3, 5, 8)
PAIRED = (CONTINUE, RANDOM, "fix", "few", "wrong", "hot")
"""Arms of equal length from one model."""
ALL_CONTROLS = (CONTINUE, RANDOM, "few", "wrong", "longer", "hot")
NUM_DRAWS = 400
KNOWN_TIMES = 7 / 3
"""Items of which the champion's answers are known over those that are judged: the probe items are known too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, default=Path("tests/data/gate_bank_real"), help="folder of <world>.npz")
    parser.add_argument("--loops", type=int, default=2000)
    parser.add_argument("--parts", nargs="+", default=["a", "b", "c", "d"], choices=["a", "b", "c", "d"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    parts: dict[str, Callable[[ArmsBank, np.random.Generator, int], None]] = {
        "a": averaging,
        "b": pairing,
        "c": covariates,
        "d": dropping,
    }
    for bank in load_arms(arguments.bank):
        for name in arguments.parts:
            parts[name](bank, np.random.default_rng([arguments.seed, ord(name)]), arguments.loops)
    print(f"{time.monotonic() - started:.0f} s")


# (a)


def averaging(bank: ArmsBank, rng: np.random.Generator, num_loops: int) -> None:
    print(f"\n{bank.name} (a): weights of the last checkpoints averaged")
    for arm, end in bank.arms.items():
        means = [one.slices[TARGET].mean(axis=1) for one in (end, bank.averaged[arm])]
        others = [
            np.concatenate([one.slices[name] for name in end.guards], axis=1).mean()
            for one in (end, bank.averaged[arm])
        ]
        print(
            f"  {arm:<9} score {means[0].mean():.3f} to {means[1].mean():.3f}, guard {others[0]:.3f} to "
            f"{others[1]:.3f}, deviation {means[0].std(ddof=1):.4f} to {means[1].std(ddof=1):.4f}"
        )
    falling = [arm for arm in bank.arms if arm != "constant"]
    for what, arms in (("rates that fall", falling), ("a rate that stays", ["constant"])):
        ratio, low, high = _deviation_ratio(bank, arms, rng)
        print(f"  {what}: deviation averaged over as it stands {ratio:.3f} [{low:.3f}, {high:.3f}]")
    for arm in ("fix", RANDOM, "few"):
        ratios = [_averaged_ratio(bank, arm, num_seeds, rng) for num_seeds in SEEDS]
        told = ", ".join(
            f"{s} seeds {width:.3f} and {seeds:.3f}" for s, (width, seeds, _, _) in zip(SEEDS, ratios, strict=True)
        )
        print(
            f"  {arm} against continue: gain {ratios[0][2]:.3f} to {ratios[0][3]:.3f}; width and seeds needed: {told}"
        )
    for name, runs in (("as it stands", bank.arms), ("averaged", bank.averaged)):
        played = play_looks(runs[CONTINUE], rng, num_loops)
        rate = rate_of(played.is_accepted, 0.0)
        told = f"{rate.rate:.4f} [{rate.low:.4f}, {rate.high:.4f}], {played.num_seeds.mean():.2f} seeds"
        print(f"  {name}, no effect: accepted {told}")


def _deviation_ratio(bank: ArmsBank, arms: Sequence[str], rng: np.random.Generator) -> tuple[float, float, float]:
    """Deviation over seeds of averaged trainings over that of trainings as they stand, pooled over arms, and its 95 %
    interval over seeds drawn again."""
    means = [
        np.stack([one.slices[TARGET].mean(axis=1) for one in (bank.arms[arm], bank.averaged[arm])]) for arm in arms
    ]

    def ratio(drawn: Sequence[NDArray[np.float64]]) -> float:
        squares = sum(((of - of.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) for of in drawn)
        return float(np.sqrt(squares[1] / squares[0]))

    again = [ratio([of[:, rng.integers(of.shape[1], size=of.shape[1])] for of in means]) for _ in range(2000)]
    low, high = np.quantile(again, (0.025, 0.975))
    return ratio(means), float(low), float(high)


def _averaged_ratio(
    bank: ArmsBank, arm: str, num_seeds: int, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Mean width of the comparison with `continue`, averaged over as it stands; the ratio of seeds needed, which counts
    the gain too; and both gains."""
    found = []
    for runs in (bank.arms, bank.averaged):
        world = Runs(bank, _roles(arm, CONTINUE), is_level=False, drawn_from=runs)
        found.append(_mean_of([_tested(world, num_seeds, rng, by_own_runs) for _ in range(NUM_DRAWS)]))
    (se, width), (averaged_se, averaged_width) = found
    gains = [runs[arm].base_score(TARGET) - runs[CONTINUE].base_score(TARGET) for runs in (bank.arms, bank.averaged)]
    return averaged_width / width, (averaged_se / se * gains[0] / gains[1]) ** 2, gains[0], gains[1]


# (b)


def pairing(bank: ArmsBank, rng: np.random.Generator, num_loops: int) -> None:
    print(f"\n{bank.name} (b): runs of one seed as pairs")
    correlation, low, high = _correlation(bank, PAIRED, rng)
    print(f"  correlation of arms over seeds, {len(PAIRED)} arms: {correlation:.3f} [{low:.3f}, {high:.3f}]")
    for pair in (("fix", CONTINUE), ("few", CONTINUE), ("hot", CONTINUE), ("fix", RANDOM)):
        one, _, _ = _correlation(bank, pair, rng)
        world = Runs(bank, _roles(*pair), is_level=False, has_pairs=True)
        ratios = []
        for num_seeds in SEEDS:
            drawn = [_both(world, num_seeds, rng) for _ in range(NUM_DRAWS)]
            ratios.append(
                np.mean([paired.half_width(LEVEL) for _, paired in drawn])
                / np.mean([own.half_width(LEVEL) for own, _ in drawn])
            )
        level = Runs(bank, _roles(*pair), has_pairs=True)
        accepted = _accepted(level, num_loops, rng)
        told = ", ".join(f"{s} seeds {ratio:.2f}" for s, ratio in zip(SEEDS, ratios, strict=True))
        print(f"  {pair[0]} against {pair[1]}: correlation {one:.2f}; width of pairs over own: {told}; {accepted}")


def _correlation(bank: ArmsBank, arms: Sequence[str], rng: np.random.Generator) -> tuple[float, float, float]:
    """Correlation over seeds of the arms' mean scores, pooled over pairs of arms, with a 95 % interval over seeds."""
    num_seeds = min(bank.arms[arm].num_runs for arm in arms)
    means = np.array([bank.arms[arm].slices[TARGET][:num_seeds].mean(axis=1) for arm in arms])

    def pooled(of: NDArray[np.float64]) -> float:
        covariance = np.cov(of)
        sds = np.sqrt(np.diag(covariance))
        pairs = list(combinations(range(len(arms)), 2))
        return float(sum(covariance[a, b] for a, b in pairs) / sum(sds[a] * sds[b] for a, b in pairs))

    again = [pooled(means[:, rng.integers(num_seeds, size=num_seeds)]) for _ in range(1000)]
    low, high = np.nanquantile(again, (0.025, 0.975))
    return pooled(means), float(low), float(high)


def _both(world: Runs, num_seeds: int, rng: np.random.Generator) -> tuple[Tested, Tested]:
    arms = world.items(rng).arms(rng, num_seeds)[TARGET]
    return by_own_runs(arms[CHALLENGER], arms[CONTINUE]), by_pairs(arms[CHALLENGER], arms[CONTINUE])


def _accepted(world: Runs, num_loops: int, rng: np.random.Generator) -> str:
    """False acceptance of both tests at one look of five seeds."""
    drawn = [_both(world, 5, rng) for _ in range(num_loops)]
    rates = [rate_of(np.array([one.p < alpha_at(1) for one in of]), 0.0) for of in zip(*drawn, strict=True)]
    told = [f"{rate.rate:.4f} [{rate.low:.4f}, {rate.high:.4f}]" for rate in rates]
    return f"no effect, one look at 5 seeds, level {alpha_at(1):.4f}: own {told[0]}, pairs {told[1]}"


# (c)


def covariates(bank: ArmsBank, rng: np.random.Generator, num_loops: int) -> None:
    print(f"\n{bank.name} (c): what the champion said of items as a covariate")
    x = features(bank.margin[TARGET])
    for pair in (("fix", CONTINUE), ("few", CONTINUE), ("hot", CONTINUE), ("fix", RANDOM)):
        world = Runs(bank, _roles(*pair), is_level=False)
        told = []
        for num_seeds in SEEDS:
            shares, ratios = [], []
            for _ in range(NUM_DRAWS):
                own, adjusted, share = _adjusted(world, x, num_seeds, rng)
                shares.append(share)
                ratios.append(adjusted.se / own.se)
            told.append(f"{num_seeds} seeds R2 {np.mean(shares):.3f}, width {np.mean(ratios):.4f}")
        level = Runs(bank, _roles(*pair))
        drawn = [_adjusted(level, x, 5, rng)[:2] for _ in range(num_loops)]
        rates = [rate_of(np.array([one.p < alpha_at(1) for one in of]), 0.0) for of in zip(*drawn, strict=True)]
        deviations = [np.std([one.mean for one in of]) for of in zip(*drawn, strict=True)]
        means = [np.mean([one.mean for one in of]) for of in zip(*drawn, strict=True)]
        print(
            f"  {pair[0]} against {pair[1]}: {'; '.join(told)}; no effect: accepted {rates[0].rate:.4f} and adjusted "
            f"{rates[1].rate:.4f} [{rates[1].low:.4f}, {rates[1].high:.4f}], deviation of the estimate "
            f"{deviations[1] / deviations[0]:.4f}, mean {means[0]:+.4f} and {means[1]:+.4f}"
        )


def _adjusted(
    world: Runs, x: NDArray[np.float64], num_seeds: int, rng: np.random.Generator
) -> tuple[Tested, Tested, float]:
    """Own, adjusted, and the share of the items' differences that the covariates explain, adjusted for their number."""
    items = world.items(rng)
    arms, columns = items.arms(rng, num_seeds)[TARGET], items.columns[TARGET]
    more = rng.integers(len(x), size=round((KNOWN_TIMES - 1) * len(columns)))
    challenger, control = arms[CHALLENGER], arms[CONTINUE]
    differences = challenger.mean(axis=0) - control.mean(axis=0)
    share = explained_variance(differences, x[columns]) / float(differences.var(ddof=1))
    adjusted = by_covariates(challenger, control, x[columns], np.concatenate([x[columns], x[more]]))
    return by_own_runs(challenger, control), adjusted, share


# (d)


def dropping(bank: ArmsBank, rng: np.random.Generator, num_loops: int) -> None:
    print(f"\n{bank.name} (d): controls that are trained no more")
    controls = [name for name in ALL_CONTROLS if name in bank.arms]
    world = Fitted(bank, {CHALLENGER: "fix"} | {name: name for name in controls}, is_level=False)
    hardest = max(world.heights[TARGET][name] for name in controls)
    rules = ("none", "beaten", "not hardest")
    for gain in (0.0, 0.02, 0.05, 0.08, 0.12):
        ends: dict[str, list[Ended]] = {rule: [] for rule in rules}
        for _ in range(num_loops):
            arms = _at_gain(world, hardest + gain, rng)
            for rule in rules:
                ends[rule].append(judged_with_drops(arms, alpha_at(1), rule))
        told = []
        for rule, found in ends.items():
            rate = rate_of(np.array([end.is_accepted for end in found]), 0.0)
            trainings = np.mean([end.num_trainings for end in found])
            told.append(f"{rule} {rate.rate:.4f} [{rate.low:.4f}, {rate.high:.4f}] with {trainings:.2f} trainings")
        print(f"  {len(controls)} controls, gain {gain:g} over the hardest: {'; '.join(told)}", flush=True)


def _at_gain(world: Fitted, height: float, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """Arms as they are, the challenger brought to this height."""
    arms = world.items(rng).arms(rng, MAX_SEEDS)[TARGET]
    own = world.heights[TARGET][CHALLENGER]
    arms[CHALLENGER] = add_loss(rng, arms[CHALLENGER], own - height, own)
    arms[CHALLENGER] = add_gain(rng, arms[CHALLENGER], height - own, own)
    return arms


def _roles(challenger: str, control: str) -> dict[str, str]:
    return {CHALLENGER: challenger, CONTINUE: control, RANDOM: control}


def _tested(
    world: Runs,
    num_seeds: int,
    rng: np.random.Generator,
    test: Callable[[NDArray[np.float64], NDArray[np.float64]], Tested],
) -> Tested:
    arms = world.items(rng).arms(rng, num_seeds)[TARGET]
    return test(arms[CHALLENGER], arms[CONTINUE])


def _mean_of(tested: Sequence[Tested]) -> tuple[float, float]:
    """Root of the mean squared error, and the mean width."""
    return float(np.sqrt(np.mean([one.se**2 for one in tested]))), float(
        np.mean([one.half_width(LEVEL) for one in tested])
    )


if __name__ == "__main__":
    main()
