"""Decide whether random rows are enough: the fix is not better than they are, and both are better than the old data.

Then nothing was gained by diagnosing, but something by training, and the better model need not be given up. The fix and
the random rows must both be shown better than the old data at the level of the look, so no more is accepted falsely
than by the gate alone. The next champion must leave every guard and group as unharmed as an accepted fix has to: it is
that of the random rows or, where these do harm and the fix does none, that of the fix.

Where a judgement has looks, both gains are sequential tests of their own, over all looks at an even share of the level
for each seed: they may go on where the judgement of the fix has ended. Pure functions.
"""

from collections.abc import Sequence
from dataclasses import replace

from controller.results.arm_names import RANDOM
from controller.results.verdict_json import Decision, Ending, VerdictRecord
from controller.verdict.arm_scores import Arm, scored_by_all
from controller.verdict.judge import Contest, Judged, gain_record, judge
from controller.verdict.ruling import At, old_data
from evals.statistics.compare import Comparison, compare, shared_runs
from evals.statistics.looks import LEAST_PREDICTIVE_POWER, compare_by_own_runs, predictive_power
from evals.statistics.run_variance import pool_runs


def with_random(judged: Judged, contest: Contest, comes_back: bool = False, at: At | None = None) -> VerdictRecord:
    """Keep the verdict on the fix, or change it to `random_is_enough` where it is rejected and that holds.

    Args:
        judged: The gate's verdict on the fix.
        contest: What it was given on.
        comes_back: Whether a fix that gains and does harm is tried again less far; one that beat all controls, random
            rows too, keeps its verdict until then.
        at: The look whose seeds the arms have; None where there is one only.
    """
    verdict, ruling = judged.verdict, judged.ruling
    agreed, challenger, settings = contest.agreed, contest.challenger, contest.settings
    random = random_arm(contest.controls)
    if ruling is None or ruling.is_accepted or random is None or (comes_back and ruling.gate.is_accepted):
        return verdict
    scores = scored_by_all(contest.arms, agreed.chosen)
    old = scores[old_data(scores)]
    of_fix, of_random = scores[challenger.name], scores[random.name]
    if at is None:
        level, run = agreed.alpha, pool_runs([shared_runs([*scores.values()]), *contest.earlier])
        gains = (compare(of_fix, old, run), compare(of_random, old, run, agreed.of_chance))
    else:
        level = at.end_level
        gains = (compare_by_own_runs(of_fix, old), compare_by_own_runs(of_random, old))
    if not all(gain.mean > 0 and gain.p < level for gain in gains):
        return verdict
    own = _judged_alone(random, contest, at).ruling
    if own is not None and own.is_harmless:
        taken, why = random, f"{_gained('random rows beat', gains[1])}, and the fix is not shown better without harm"
    elif ruling.is_harmless:
        taken, why = challenger, f"{_gained('the fix beats', gains[0])}, as random rows do, but these not without harm"
    else:
        return verdict
    kept = "its model goes on" if settings.take_random else "the old model stays (verify.take_random=false)"
    return replace(
        verdict,
        decision=Decision.RANDOM_IS_ENOUGH,
        reason=f"{why}: {kept}; the fix: {verdict.reason}",
        champion_arm=taken.name if settings.take_random else "",
    )


def may_be_enough(contest: Contest, at: At) -> bool:
    """Whether further seeds of the fix, of random rows and of the old data may show that random rows are enough, where
    this look does not."""
    random = random_arm(contest.controls)
    if random is None or at.is_last:
        return False
    scores = scored_by_all(contest.arms, contest.agreed.chosen)
    old = scores[old_data(scores)]
    gains = [compare_by_own_runs(scores[arm.name], old) for arm in (contest.challenger, random)]
    num_seeds, last = len(random.reports), at.looks.end_levels[-1]
    if any(predictive_power(gain, num_seeds, at.looks, last) < LEAST_PREDICTIVE_POWER for gain in gains):
        return False
    own = _judged_alone(random, contest, at)
    return own.ending in (Ending.ACCEPTED, Ending.GOES_ON)


def random_arm(controls: Sequence[Arm]) -> Arm | None:
    """The control of random rows at the fix's tokens; None where there is none."""
    return next((arm for arm in controls if arm.is_of == RANDOM), None)


def _judged_alone(random: Arm, contest: Contest, at: At | None) -> Judged:
    """Judge random rows against the old data: whether they beat other controls is not asked. These only show how much
    runs vary, where all arms share one variance."""
    if at is None:
        others = [arm for arm in contest.controls if arm is not random]
        return judge(replace(contest, challenger=random, controls=others))
    old = next(arm for arm in contest.controls if arm.name == old_data([arm.name for arm in contest.controls]))
    return judge(replace(contest, challenger=random, controls=[old]), replace(at, beaten=()))


def _gained(what: str, gain: Comparison) -> str:
    found = gain_record(gain)
    seen = f"{found.mean:+.3f} [{found.ci[0]:+.3f}, {found.ci[1]:+.3f}]"
    return f"{what} the old data, {seen}, with every guard shown unharmed"
