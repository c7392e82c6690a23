"""Say in one number how well a loop did, larger is better, for sweepers that look for the best settings."""

from collections.abc import Collection, Sequence

from controller.results.arm_names import CHALLENGER
from controller.results.diagnosis_json import Score
from controller.results.loop_json import LoopResult
from controller.results.page.words.sentences import decisive, total_cost
from controller.results.verdict_json import Decision, VerdictRecord

OBJECTIVES = ("gain", "gain_low", "score", "score_per_token")


def objective_value(result: LoopResult, objective: str) -> float:
    """Value of a loop by one of `OBJECTIVES`; a loop that tried no fix has gained nothing, 0."""
    decided = decisive(result)
    if decided is None:
        return 0.0
    verdict = decided.verdict
    if objective in {"gain", "gain_low"}:
        if verdict.gain is None:
            return 0.0
        return verdict.gain.mean if objective == "gain" else verdict.gain.ci[0]
    arm = verdict.arms.get(arm_that_goes_on(verdict))
    guards = [guard.task for guard in verdict.guards]
    # Where nothing was trained no `select` item was asked: then it is the first model's score on `probe`.
    score = task_score(arm.scores if arm is not None else decided.measure.scores, guards)
    return score / max(total_cost(result.costs).tokens, 1) if objective == "score_per_token" else score


def arm_that_goes_on(verdict: VerdictRecord) -> str:
    """Name of the arm whose model the loop goes on with."""
    return verdict.champion_arm or (CHALLENGER if verdict.decision is Decision.ACCEPTED else "before")


def task_score(scores: Sequence[Score], guards: Collection[str] = ()) -> float:
    """Mean score over all tasks that are no guards, each counted by its items; 0 where there is none."""
    whole = [score for score in scores if not score.slice and score.task not in guards]
    count = sum(score.num_items for score in whole)
    return sum(score.score.mean * score.num_items for score in whole) / count if count else 0.0
