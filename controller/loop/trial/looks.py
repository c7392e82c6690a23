"""Judge arms, and train more seeds of them as long as these can decide (`verify.max_seeds`)."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.engine.errors import BudgetSpent
from controller.loop.proposing import ProposedRound
from controller.loop.run import Run
from controller.loop.trial.mixes import Account, TriedMix, try_mixes
from controller.results.arm_names import CHALLENGER
from controller.results.verdict_json import Ending, LookRecord
from controller.verdict.arm_scores import Arm
from controller.verdict.judge import Judged, judge
from controller.verdict.promise import Promise
from controller.verdict.ruling import At
from evals.items import EvalReport
from evals.statistics.compare import Comparison
from evals.statistics.run_variance import RunVariance

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tried:
    """Arm of the fix that is judged, and its controls."""

    fix: TriedMix
    rivals: Mapping[str, TriedMix]
    """Controls by name."""

    @property
    def challenger(self) -> Arm:
        return replace(self.fix.arm, name=CHALLENGER)

    @property
    def controls(self) -> list[Arm]:
        return [one.arm for one in self.rivals.values()]


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Where a judgement ended."""

    judged: Judged
    tried: Tried
    """Arms with the seeds of the last look."""
    at: At | None
    """The last look; None where there is one only."""


def judge_over_looks(
    run: Run,
    proposal: ProposedRound,
    agreed: Promise,
    tried: Tried,
    before: EvalReport,
    earlier: Sequence[RunVariance],
    number: int,
) -> LookedAt:
    """Judge the fix and, as long as more seeds of its arms can decide, train and judge again (`verify.max_seeds`).

    A control that a look shows beaten counts as beaten and is trained no more, unless other questions need its seeds.
    Where the budget ends before the seeds of a look, the figures of the look before stand.

    Args:
        proposal: Proposal that the arms belong to.
        agreed: The promise.
        tried: Arms with the seeds of the first look.
        before: The champion on `select`.
        earlier: As for `judge`.
        number: Number of the round.
    """
    settings = run.settings.verify
    looks, path, beaten = settings.looks(agreed.alpha), tuple[LookRecord, ...](), tuple[Comparison, ...]()
    if looks is None:
        return LookedAt(judge(agreed, tried.challenger, tried.controls, before, settings, earlier), tried, None)
    for look, num_seeds in enumerate(looks.seeds):
        at = At(looks, look, beaten)
        judged = judge(agreed, tried.challenger, tried.controls, before, settings, earlier, at)
        path += judged.verdict.looks
        log.info("look at %d seeds: %s, %s", num_seeds, judged.ending.value, judged.verdict.reason)
        stopped = ""
        if judged.ending is Ending.GOES_ON:
            try:
                more = range(num_seeds, looks.seeds[look + 1])
                tried = _with_seeds(run, proposal, tried, more, number, {one.control for one in judged.beaten})
                beaten = judged.beaten
                continue
            except BudgetSpent as end:
                path, stopped = (*path[:-1], replace(path[-1], ending=Ending.BUDGET)), str(end)
        break
    reason = f"{judged.verdict.reason}; ended after {num_seeds} seeds an arm, {stopped}" if stopped else ""
    verdict = replace(judged.verdict, looks=path, reason=reason or judged.verdict.reason)
    return LookedAt(replace(judged, verdict=verdict), tried, at)


def _with_seeds(
    run: Run, proposal: ProposedRound, tried: Tried, places: range, number: int, beaten: Collection[str]
) -> Tried:
    """Train and measure further seeds of all arms but the beaten ones."""
    rivals_left = {name: one for name, one in tried.rivals.items() if one.arm.name not in beaten}
    arms = (tried.fix, *rivals_left.values())
    account = Account(f"round {number}, training seeds {places[0] + 1} to {places[-1] + 1}", "train", "verify")
    more = try_mixes(run, proposal, [one.trial for one in arms], number, account, places)
    fix, *rivals = (one.with_more(further) for one, further in zip(arms, more, strict=True))
    return Tried(fix, {**tried.rivals, **dict(zip(rivals_left, rivals, strict=True))})
