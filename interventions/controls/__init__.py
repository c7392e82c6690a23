"""Controls that a fix must beat: trainings that differ from it in one thing each.

continue      the old data, trained on: is it more than further steps?
random        any rows in the place of the fix's: is it more than new data?
stratified    equal shares of every known slice: is it more than a balanced corpus?
bm25          rows that share words with the failing items: is it more than retrieval?
loss          rows that the model finds hardest: is it more than the model's own loss shows?
shuffled      the same fix on slices that do not fail: is it the right slice?
no_influence  the same planner with BM25 in the place of influence functions: does attribution add anything?
from:SOURCE   any rows of one source: is it more than rows that come from there?

Each is a component with one verb, `mix`; a set of them is chosen by name (`verify.arms`).
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from interventions.controls.by_chance import Continue, at_random, of_all_slices, of_other_slices, of_source
from interventions.controls.by_rank import nearest_by_words, of_highest_loss
from interventions.controls.contest import Control, StandIn
from interventions.controls.no_influence import NoInfluence

FROM = "from:"
"""Prefix of a control that is named after a source of rows."""

CONTROLS: Mapping[str, Control] = MappingProxyType(
    {
        "continue": Continue(),
        "random": StandIn("random", at_random, is_by_chance=True),
        "stratified": StandIn("stratified", of_all_slices, is_by_chance=True),
        "bm25": StandIn("bm25", nearest_by_words),
        "loss": StandIn("loss", of_highest_loss),
        "shuffled": StandIn("shuffled", of_other_slices, is_by_chance=True),
        "no_influence": NoInfluence(),
    }
)
"""Controls that every corpus may have."""


def control_of(name: str) -> Control | None:
    """Find a control by its name; None where there is none of it."""
    source = source_of(name)
    if source is None:
        return CONTROLS.get(name)
    return StandIn("from_source", partial(of_source, source), is_by_chance=True)


def source_of(name: str) -> str | None:
    """Source after which a control is named; None where it is named after none."""
    return name.removeprefix(FROM) if name.startswith(FROM) and name != FROM else None
