"""Ways in which a failed answer can be wrong."""

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """A failure mode. The first that fits names the answer: rules come in this order, then model and classifier."""

    NO_ANSWER = "no_answer"
    FORMAT = "format"
    """The answer is right but in a form that is not accepted, or no answer could be extracted from its form."""
    TRUNCATED = "truncated"
    """The answer breaks off: it is the beginning of the gold, or ends amid a sentence."""
    REPETITION = "repetition"
    """The answer degenerates into the same again and again."""
    REFUSAL = "refusal"
    """The answer declines: it apologizes, will not, cannot, or says that it does not know."""
    NEAR_MISS = "near_miss"
    """At most a quarter of the gold's words differ, or of its characters where it has fewer than four words; or a
    number lies within a hundredth of the gold."""
    CONFIDENT_WRONG = "confident_wrong"
    """The model is certain of its wrong answer and holds the gold for unlikely: it has learnt otherwise."""
    REASONING = "reasoning"
    """The answer is a derivation that slips, or the result of one: the question gives all that it follows from."""
    KNOWLEDGE = "knowledge"
    """The answer is another fact than the right one: the question does not give what it follows from."""
    WRONG = "wrong"
    """No other mode fits, or the classifier abstains."""


ABOUT_GENERATION = frozenset({Mode.NO_ANSWER, Mode.FORMAT, Mode.TRUNCATED, Mode.REPETITION, Mode.REFUSAL})
"""Modes of generated answers only: a choice among given texts cannot be empty, cut off or badly formatted."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Log-probability for each token, in nats, of two answers to one item; at most 0."""

    answer: float
    gold: float
