"""In what ways a failed answer can be wrong, and what beside the texts tells them apart."""

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class Mode(StrEnum):
    """The first that fits names the answer; the order is that of the rules, then what is left to the classifier."""

    NO_ANSWER = "no_answer"
    FORMAT = "format"
    """The right answer in a form that is not accepted, or a form from which no answer could be extracted."""
    TRUNCATED = "truncated"
    """The answer breaks off: it is the beginning of the gold, ends amid a sentence, or met the limit of tokens."""
    REPETITION = "repetition"
    """The answer degenerates into the same again and again."""
    REFUSAL = "refusal"
    """The answer declines: it apologizes, will not, cannot, or says that it does not know."""
    NEAR_MISS = "near_miss"
    """At most a quarter of the gold's words differ; of its characters, where there are fewer than four. A number
    within a hundredth of the gold."""
    CONFIDENT_WRONG = "confident_wrong"
    """The model holds its wrong answer for certain and the gold for unlikely: it has learnt otherwise."""
    REASONING = "reasoning"
    """A derivation that slips, or the result of one: the question gives all that the answer follows from."""
    KNOWLEDGE = "knowledge"
    """Another fact in the place of the right one: the question does not give what the answer follows from."""
    WRONG = "wrong"
    """None of these, or undecided."""


ABOUT_GENERATION = frozenset({Mode.NO_ANSWER, Mode.FORMAT, Mode.TRUNCATED, Mode.REPETITION, Mode.REFUSAL})
"""Only a generated answer has them: a choice among given texts cannot be empty, cut off or badly formatted."""


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
    """`; did you mean ...?` where a mode is called nearly so."""
    near = get_close_matches(name.lower().replace(" ", "_").replace("-", "_"), [mode.value for mode in Mode], n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
