"""Table of `scripts/bench_fix_order.py`: pairs of fixes, and how often small trainings have the order of full ones."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from fix_order_readings import LENGTHS, LIKELIHOOD, NATS, OF_SLICE, SCORE, Outcome

from evals.statistics.intervals import Estimate, wilson

SURE = 0.9
"""Probability from which small trainings tell two fixes apart."""


def lines(runs: Sequence[Outcome]) -> Iterator[str]:
    """The pairs that full trainings tell apart, and the shares."""
    yield "| world | scenario | seed | pair | full | small | order |"
    yield "|---|---|---|---|---|---|---|"
    for run in runs:
        yield from pair_lines(run)
    yield ""
    yield from shares(runs)


def pair_lines(run: Outcome) -> Iterator[str]:
    """Rows of the table: the pairs of a run that full trainings tell apart."""
    for pair in run.pairs:
        small = pair.said(LENGTHS[0], LIKELIHOOD)
        if pair.is_decided and small is not None:
            where = " ".join([f"`{run.scenario}`", *(one.removeprefix("prove.scenario.") for one in run.overrides)])
            order = "same" if pair.agrees(small) else "**other**"
            is_first = pair.full.mean > 0
            names = (pair.first, pair.second) if is_first else (pair.second, pair.first)
            full, told = (one if is_first else _turned(one) for one in (pair.full, small.difference))
            cells = [run.world, where, str(run.seed), " over ".join(names), _told(full, 3), _told(told, 2), order]
            yield f"| {' | '.join(cells)} |"


def shares(runs: Sequence[Outcome]) -> Iterator[str]:
    """How often the order is that of the full trainings, by reading and kind of pair."""
    with_pairs = [run for run in runs if run.pairs]
    decided = [(run, pair) for run in with_pairs for pair in run.pairs if pair.is_decided]
    num_pairs = sum(len(run.pairs) for run in with_pairs)
    yield (
        f"{len(runs)} runs, {len(with_pairs)} with at least two fixes; full trainings tell {len(decided)} of "
        f"{num_pairs} pairs apart, in {len({id(run) for run, _ in decided})} runs"
    )
    yield ""
    yield "| tokens | read as | all | where it is sure | runs all right |"
    yield "|---|---|---|---|---|"
    for length in LENGTHS:
        for reading in (LIKELIHOOD, OF_SLICE, NATS, SCORE):
            said = [(run, pair, pair.said(length, reading)) for run, pair in decided]
            known = [(run, pair, small) for run, pair, small in said if small is not None]
            right = [pair.agrees(small) for _, pair, small in known]
            sure = [pair.agrees(s) for _, pair, s in known if max(s.is_first_better, 1 - s.is_first_better) >= SURE]
            by_run: dict[int, bool] = {}
            for (run, _, _), is_right in zip(known, right, strict=True):
                by_run[id(run)] = by_run.get(id(run), True) and is_right
            cells = [f"{length:g}", reading, _share(right), _share(sure), _share([*by_run.values()])]
            yield f"| {' | '.join(cells)} |"
    fixed = [run.preferred.index(pair.first) < run.preferred.index(pair.second) for run, pair in decided]
    is_first = [pair.full.mean > 0 for _, pair in decided]
    of_auto = _share([a == b for a, b in zip(fixed, is_first, strict=True)])
    yield f"|  | the order of `auto`, nothing trained | {of_auto} |  |  |"
    yield ""
    for kind in dict.fromkeys((pair.first, pair.second) for _, pair in decided):
        own = [pair for _, pair in decided if (pair.first, pair.second) == kind]
        read = [(pair, pair.said(LENGTHS[0], LIKELIHOOD)) for pair in own]
        right = [pair.agrees(small) for pair, small in read if small is not None]
        wins = sum(pair.full.mean > 0 for pair in own)
        yield f"{kind[0]} over {kind[1]}: {len(own)} told apart, {wins} for the first; same order in {_share(right)}"
    yield ""
    small, auto = (_lost([(run, choose(run)) for run in with_pairs]) for choose in (_read_best, _preferred))
    yield f"One fix a run: {small} below the best where small trainings choose, {auto} where the order of `auto` does"


def _read_best(run: Outcome) -> str:
    """Fix that small trainings read as the best."""
    total = dict.fromkeys(run.preferred, 0.0)
    for pair in run.pairs:
        if (said := pair.said(LENGTHS[0], LIKELIHOOD)) is not None:
            total[pair.first] += said.difference.mean
            total[pair.second] -= said.difference.mean
    return max(total, key=lambda name: total[name])


def _preferred(run: Outcome) -> str:
    return run.preferred[0]


def _lost(chosen: Sequence[tuple[Outcome, str]]) -> str:
    """Score on the finding's items that the choice costs against the best fix, mean and largest over runs."""
    mean = [{name: fmean(run.scores[name]) for name in run.preferred} for run, _ in chosen]
    lost = [max(of.values()) - of[name] for of, (_, name) in zip(mean, chosen, strict=True)]
    return f"{fmean(lost):.3f} (at most {max(lost):.3f})" if lost else "nothing"


def _share(right: Sequence[bool]) -> str:
    if not right:
        return ""
    share = wilson(sum(right), len(right))
    return f"{sum(right)} of {len(right)}: {share.mean:.2f} [{share.low:.2f}, {share.high:.2f}]"


def _told(one: Estimate, digits: int) -> str:
    return f"{one.mean:+.{digits}f} [{one.low:+.{digits}f}, {one.high:+.{digits}f}]"


def _turned(one: Estimate) -> Estimate:
    """The difference the other way round."""
    return Estimate(-one.mean, -one.high, -one.low)
