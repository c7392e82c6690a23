"""Fixes that act whatever the cause, for tests of what comes after a plan."""

from dataclasses import dataclass

from builders.toy import TASKS
from diagnose.finding.finding import Finding
from diagnose.slices.predicate import Slice, row_members
from interventions.plan.limits import Additions
from interventions.plan.step import REWEIGHT, Declined, Raise, Resources, Steps, action_key


@dataclass
class RaiseSkill(Additions):
    """Draws the rows of a failing skill of the toy more often."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        if action_key(REWEIGHT, finding.acted_on) in resources.judged:
            return Declined("its rows were raised already")
        stock = resources.stock
        where = Slice((("skill", finding.slice.as_dict()["task"].removeprefix("toy_")),))
        rows = stock.kept[row_members(where, stock.corpus.select(stock.kept))]
        return (Raise(finding, rows, 0.4, len(rows) / len(stock.kept), f"{finding.fails}: its rows are raised"),)


@dataclass
class RaiseInTurn(RaiseSkill):
    """Raises one skill of the toy in a plan: the first, and once that was judged the second."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        if finding.slice.as_dict()["task"] != f"toy_{TASKS[min(len(resources.judged), 1)]}":
            return Declined("it is not its turn")
        return RaiseSkill.steps(self, finding, resources)
