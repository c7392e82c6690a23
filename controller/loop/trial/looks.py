"""Judge arms, and train more seeds of them as long as these can decide (`verify.max_seeds`).

`judge_over_looks` asks whether the fix is shown better than every control. Where it will not be, `judge_random` asks
whether random rows are enough, with more seeds of three arms alone.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from controller.engine.errors import BudgetSpent
from controller.loop.proposing import ProposedRound
from controller.loop.run import Run
from controller.loop.trial.mixes import Account, TriedMix, try_mixes
from controller.results.arm_names import CHALLENGER
from controller.results.verdict_json import Decision, Ending, LookRecord, VerdictRecord
from controller.verdict.arm_scores import Arm
from controller.verdict.enough import may_be_enough, random_arm, with_random
from controller.verdict.judge import Contest, Judged, judge
from controller.verdict.promise import Promise
from controller.verdict.ruling import At, old_data
from controller.verdict.settings import Verify
from evals.items import EvalReport
from evals.statistics.compare import Comparison
from evals.statistics.run_variance import RunVariance

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tried:
    """Arm of the fix that is judged, its controls, and what they are judged by."""

    fix: TriedMix
    rivals: Mapping[str, TriedMix]
    """Controls by name."""
    agreed: Promise
    before: EvalReport
    """The champion on `select`."""
    settings: Verify
    earlier: Sequence[RunVariance]
    """Run variances of earlier rounds with the same endpoint."""

    @property
    def challenger(self) -> Arm:
        return replace(self.fix.arm, name=CHALLENGER)

    @property
    def controls(self) -> list[Arm]:
        return [one.arm for one in self.rivals.values()]

    def contest(self, without: Collection[str] = ()) -> Contest:
        """What is judged, with all seeds that the arms have; controls of some names are left out."""
        controls = [arm for arm in self.controls if arm.name not in without]
        return Contest(self.agreed, self.challenger, controls, self.before, self.settings, self.earlier)


@dataclass(frozen=True, slots=True)
class LookedAt:
    """Where a judgement ended."""

    judged: Judged
    tried: Tried
    """Arms with the seeds of the last look."""
    at: At | None
    """The last look; None where there is one only."""


def judge_over_looks(run: Run, proposal: ProposedRound, tried: Tried, number: int) -> LookedAt:
    """Judge the fix and, as long as more seeds of its arms can decide, train and judge again (`verify.max_seeds`).

    A control that a look shows beaten counts as beaten and is trained no more, unless other questions need its seeds.
    Where the budget ends before the seeds of a look, the figures of the look before stand.

    Args:
        proposal: Proposal that the arms belong to.
        tried: Arms with the seeds of the first look.
        number: Number of the round.
    """
    looks, path, beaten = tried.settings.looks(tried.agreed.alpha), tuple[LookRecord, ...](), tuple[Comparison, ...]()
    if looks is None:
        return LookedAt(judge(tried.contest()), tried, None)
    for look, num_seeds in enumerate(looks.seeds):
        at = At(looks, look, beaten)
        judged = judge(tried.contest(), at)
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


def judge_random(
    run: Run, proposal: ProposedRound, looked: LookedAt, number: int, *, comes_back: bool
) -> tuple[VerdictRecord, Tried]:
    """Decide whether random rows are enough, where the fix is not accepted; as long as more seeds of the fix, of random
    rows and of the old data may show it, train these, unless the budget ends before. The judgement of the fix stays.

    Args:
        proposal: Proposal that the arms belong to.
        looked: The judgement of the fix.
        number: Number of the round.
        comes_back: As for `with_random`.

    Returns:
        The verdict, and the arms with all their seeds.
    """
    of_fix, contest, tried, at = looked.judged, looked.tried.contest(), looked.tried, looked.at
    verdict, left = with_random(of_fix, contest, comes_back, at), _not_asked(tried)
    while at is not None and _may_go_on(verdict, of_fix, tried.settings) and may_be_enough(contest, at):
        places = range(at.looks.seeds[at.look], at.looks.seeds[at.look + 1])
        log.info("random rows may be enough: seeds %d to %d of three arms", places[0] + 1, places[-1] + 1)
        try:
            tried = _with_seeds(run, proposal, tried, places, number, left)
        except BudgetSpent as end:
            log.warning("whether random rows are enough stays open: %s", end)
            break
        contest, at = tried.contest(without=left), replace(at, look=at.look + 1, beaten=())
        of_fix = _with_harm_of(of_fix, judge(contest, at))
        verdict = with_random(of_fix, contest, comes_back, at)
    return verdict, tried


def _may_go_on(verdict: VerdictRecord, of_fix: Judged, settings: Verify) -> bool:
    """Whether the fix was given up for want of a gain alone, and a model trained on random rows would be taken."""
    return verdict.decision is Decision.REJECTED and of_fix.ending is Ending.FUTILE and settings.take_random


def _not_asked(tried: Tried) -> set[str]:
    """Controls whose seeds say nothing of whether random rows are enough."""
    names = [arm.name for arm in tried.controls]
    random = random_arm(tried.controls)
    return {name for name in names if name != old_data(names) and (random is None or name != random.name)}


def _with_harm_of(of_fix: Judged, later: Judged) -> Judged:
    """The judgement of the fix, with the guards, the groups and the arms of one that has more seeds."""
    assert of_fix.ruling is not None, "arms that were looked at are ruled on"
    assert later.ruling is not None, "arms that were looked at are ruled on"
    verdict = replace(
        of_fix.verdict,
        arms={**of_fix.verdict.arms, **later.verdict.arms},
        guards=later.verdict.guards,
        groups=later.verdict.groups,
        flips=later.verdict.flips,
    )
    return replace(of_fix, verdict=verdict, ruling=replace(later.ruling, gate=of_fix.ruling.gate))


def _with_seeds(
    run: Run, proposal: ProposedRound, tried: Tried, places: range, number: int, left: Collection[str]
) -> Tried:
    """Train and measure further seeds of all arms but those that are left as they are."""
    rivals_left = {name: one for name, one in tried.rivals.items() if one.arm.name not in left}
    arms = (tried.fix, *rivals_left.values())
    account = Account(f"round {number}, training seeds {places[0] + 1} to {places[-1] + 1}", "train", "verify")
    more = try_mixes(run, proposal, [one.trial for one in arms], number, account, places)
    fix, *rivals = (one.with_more(further) for one, further in zip(arms, more, strict=True))
    return replace(tried, fix=fix, rivals={**tried.rivals, **dict(zip(rivals_left, rivals, strict=True))})
