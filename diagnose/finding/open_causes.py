"""Which causes of a finding evidence leaves open, so that their repairs are worth a small training."""

from collections.abc import Sequence

from diagnose.finding.evidence import SETTLED
from diagnose.finding.finding import Cause, Finding

_SHOWN_BY = {
    Cause.TRAINING_SETUP: ("end_masked", "without_loss", "truncated"),
    Cause.FORMAT: ("mapped", "reprompted"),
    Cause.SHORTCUT: ("cue_flips",),
    Cause.CONTAMINATION: (),
}
"""Values that show a cause without any training: what is seen in batches, or answers that were changed or asked again.
One of `SETTLED` explains as large a share of the failures."""


def open_causes(finding: Finding, tested: Sequence[Cause]) -> tuple[Cause, ...]:
    """Choose the causes among `tested` that are open: where a check has settled one, that one, and none where its
    repair cannot be tried.

    Args:
        finding: A finding of a model that was trained on the corpus.
        tested: Causes whose repair can be tried.
    """
    if finding.cause is Cause.CONTAMINATION or _is_shown(finding):
        return tuple(cause for cause in tested if cause is finding.cause)
    return tuple(tested)


def _is_shown(finding: Finding) -> bool:
    values = [finding.evidence.get(name, 0.0) for name in _SHOWN_BY.get(finding.cause, ())]
    return any(isinstance(value, float) and value >= SETTLED for value in values)
