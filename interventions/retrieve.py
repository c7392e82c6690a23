"""`interventions=retrieve`: add rows of the pool, drawn broadly inside the data slice of each finding."""

from dataclasses import dataclass

import numpy as np

from diagnose.finding import Finding
from diagnose.slices import row_members
from interventions.amounts import Additions
from interventions.quality import admit, contents
from interventions.step import RETRIEVE, Declined, Resources, Steps, Supply, action_key, unfit


@dataclass
class Retrieve(Additions):
    """Settings of the retrieval; every field is a key `interventions.<field>`."""

    def steps(self, finding: Finding, resources: Resources) -> Steps:
        return supply(finding, resources)


def supply(finding: Finding, resources: Resources) -> Steps:
    """New rows of the pool in the finding's data slice."""
    if reason := unfit(finding):
        return Declined(reason)
    if action_key(RETRIEVE, finding.data_slice) in resources.judged:
        return Declined(f"rows of the pool with {finding.data_slice} were added and judged already")
    stock = resources.stock
    if stock.pool is None:
        return Declined("there is no pool to add rows from; set corpus.pool")
    inside = np.flatnonzero(row_members(finding.data_slice, stock.pool)).astype(np.int64)
    if not len(inside):
        return Declined(f"the pool has no row with {finding.data_slice}")
    own = stock.kept[row_members(finding.data_slice, stock.corpus.select(stock.kept))]
    admitted = admit(stock.pool, inside, stock.gate, frozenset(contents(stock.corpus, own)))
    if not len(admitted.rows):
        counts = ", ".join(f"{count} {reason}" for reason, count in admitted.num_blocked.items())
        return Declined(f"every row of the pool with {finding.data_slice} is blocked: {counts}")
    return (Supply(finding=finding, rows=admitted.rows, blocked=admitted.blocked),)
