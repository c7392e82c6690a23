"""Which causes of a finding evidence leaves open, so that their repairs are worth a small training."""

from collections.abc import Mapping, Sequence

from diagnose.finding.causes import load_cause_model
from diagnose.finding.evidence import SETTLED
from diagnose.finding.finding import Cause, Finding

_SHOWN_BY = {
    Cause.TRAINING_SETUP: ("end_masked", "without_loss", "truncated"),
    Cause.FORMAT: ("mapped", "reprompted", "wrapped"),
    Cause.SHORTCUT: ("cue_flips",),
}
"""Values that show a cause without any training: what is seen in batches, or answers that were changed or asked again.
One of `SETTLED` explains as large a share of the failures."""
_JUDGED_ANYWAY = (Cause.MISSING_DATA,)
"""Causes that a verdict judges in any case, for their repair takes no row away and is no advice. Where one is named
falsely the round ends with its arms, and not with a model that is called too small or rows that are gone."""
_SURE = 0.9
"""Probability from which evidence alone may settle a cause."""
_RIGHT = 0.95
"""Least share of the causes named with `_SURE` or more that is right in worlds not fitted on, for that."""


def open_causes(finding: Finding, tested: Sequence[Cause], *, doubts_all: bool = False) -> tuple[Cause, ...]:
    """Choose the causes among `tested` that are open: where a check has settled one, that one, and none where its
    repair cannot be tried.

    Evidence alone settles only what a verdict judges in any case (`missing_data`), where it names that with .9 or more
    and such findings were right in worlds that probabilities were not fitted on.

    Args:
        finding: A finding of a model that was trained on the corpus.
        tested: Causes whose repair can be tried.
        doubts_all: Whether all are open but what a check has settled.
    """
    if finding.cause is Cause.CONTAMINATION or _is_shown(finding):
        return tuple(cause for cause in tested if cause is finding.cause)
    if not doubts_all and is_settled(finding.causes, load_cause_model().sure):
        return ()
    return tuple(tested)


def is_settled(causes: Mapping[Cause, float], sure: Mapping[Cause, float]) -> bool:
    """Whether evidence alone settles the cause.

    Args:
        causes: Probability of each.
        sure: Share that is right of each cause named with .9 or more, as in `CauseForest`.
    """
    first = max(causes, key=lambda cause: causes[cause])
    return first in _JUDGED_ANYWAY and causes[first] >= _SURE and sure.get(first, 0.0) >= _RIGHT


def _is_shown(finding: Finding) -> bool:
    values = [finding.evidence.get(name, 0.0) for name in _SHOWN_BY.get(finding.cause, ())]
    return any(isinstance(value, float) and value >= SETTLED for value in values)
