"""Repeat the fix without influence functions: the same failing slices and planner, the data slice found by BM25."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from interventions.controls.contest import Contest, ControlMix
from interventions.mix.mix import TrainingMix
from interventions.plan.step import Declined
from interventions.proposal import NothingToDo, plan_fix


@dataclass(frozen=True)
class NoInfluence:
    """Make the same fix with BM25 in place of influence functions; declined where the fix would be the same."""

    is_by_chance: ClassVar[bool] = False

    def mix(self, contest: Contest) -> ControlMix | Declined:
        acted_on = {finding.slice for finding in contest.acted_on}
        by_words = contest.without_influence()
        by_slice = {finding.slice: finding for finding in contest.diagnosis.findings}
        # What is wrong is known from other tests; the question is whether influence finds the data better.
        findings = tuple(
            replace(
                finding,
                causes=by_slice[finding.slice].causes,
                evidence={**by_slice[finding.slice].evidence, **finding.evidence},
                tests=by_slice[finding.slice].tests,
                forms=by_slice[finding.slice].forms,
            )
            for finding in by_words.findings
            if finding.slice in acted_on
        )
        done = plan_fix(
            contest.intervention,
            replace(by_words, findings=findings),
            replace(contest.resources, row_effects=None, pool_effects=None),
        )
        if isinstance(done, NothingToDo):
            return Declined(f"without influence functions nothing is changed, as in continue: {done.plan.reason}")
        if done.plan.keys == contest.plan.keys and _is_same(done.mix, contest.mix):
            return Declined(
                "BM25 names the same data slice, so the fix would be the same: influence functions were not needed here"
            )
        return ControlMix(done.mix, "; ".join(done.plan.keys), 0)


def _is_same(mix: TrainingMix, other: TrainingMix) -> bool:
    ids, others = mix.examples.rows["id"][:], other.examples.rows["id"][:]
    return bool(ids == others and np.allclose(mix.weights, other.weights))
