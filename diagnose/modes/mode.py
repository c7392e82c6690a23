"""Ways in which a failed answer can be wrong."""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class Mode(StrEnum):
    """A failure mode. The first that fits names the answer: rules come in this order, then model and classifier."""

    NO_ANSWER = "no_answer"
    FORMAT = "format"
    """The answer is right but in a form that is not accepted, or no answer could be extracted from its form."""
    TRUNCATED = "truncated"
    """The answer breaks off: it is the beginning of the gold, ends amid a sentence, or met the limit of tokens."""
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
    """Log-probability for each token, in nats, of two answers to one item."""

    answer: float
    gold: float

    def __post_init__(self) -> None:
        if not (self.answer <= 0 and self.gold <= 0):
            raise ValueError(
                f"log-likelihoods of an answer must not be positive, got {self.answer} and {self.gold}; "
                "give natural logarithms of probabilities, divided by the number of tokens"
            )


def nearest_mode(name: str) -> str:
    """Hint `; did you mean ...?` where a mode has a similar name; else empty."""
    near = get_close_matches(name.lower().replace(" ", "_").replace("-", "_"), [mode.value for mode in Mode], n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
