"""Fixes that act whatever the cause, for tests of what comes after a plan."""

from dataclasses import dataclass

import numpy as np

from builders.toy import TASKS
from diagnose.finding.finding import Finding
from diagnose.slices.predicate import Slice, row_members
from interventions.plan.limits import Additions
from interventions.plan.step import (
    CLEAN,
    RETRIEVE,
    REWEIGHT,
    Declined,
    Raise,
    Remove,
    Resources,
    Steps,
    Supply,
    action_key,
)


def rows_of(finding: Finding) -> Slice:
    """Rows of the skill of the toy that a finding is of."""
    return Slice((("skill", finding.slice.as_dict()["task"].removeprefix("toy_")),))


@dataclass
class RaiseSkill(Additions):
    """Draws the rows of a failing skill of the toy more often."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        if action_key(REWEIGHT, finding.acted_on) in resources.judged:
            return Declined("its rows were raised already")
        stock = resources.stock
        where = rows_of(finding)
        rows = stock.kept[row_members(where, stock.corpus.select(stock.kept))]
        return (Raise(finding, rows, 0.4, len(rows) / len(stock.kept), f"{finding.fails}: its rows are raised"),)


@dataclass
class DropSkill(Additions):
    """Takes half of the rows of failing skills of the toy out of the corpus."""

    only: str = ""
    """Skill that is acted on; empty for each."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        where = rows_of(finding)
        if action_key(CLEAN, finding.acted_on) in resources.judged or self.only not in str(where):
            return Declined("nothing is done about it")
        stock = resources.stock
        rows = stock.kept[row_members(where, stock.corpus.select(stock.kept))]
        return (Remove(finding, CLEAN, rows[::2], f"{finding.fails}: half of its rows leave"),)


@dataclass
class AddSkill(Additions):
    """Adds rows of the pool that have a failing skill of the toy."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        pool = resources.stock.pool
        if pool is None or action_key(RETRIEVE, finding.acted_on) in resources.judged:
            return Declined("there is nothing to add")
        rows = np.flatnonzero(row_members(rows_of(finding), pool))[: self.num_examples]
        return (Supply(finding, rows, f"{finding.fails}: {len(rows)} rows are added", {}),)


@dataclass
class RaiseInTurn(RaiseSkill):
    """Raises one skill of the toy in a plan: the first, and once that was judged the second."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        if finding.slice.as_dict()["task"] != f"toy_{TASKS[min(len(resources.judged), 1)]}":
            return Declined("it is not its turn")
        return RaiseSkill.steps(self, finding, resources)
