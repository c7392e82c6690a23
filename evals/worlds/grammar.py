"""Grammar: the right form of a verb for a subject, past nouns that mislead, with irregular forms.

"already dogs near king see" -> have seen; "passive dog see kings" -> kings were seen. The opening word is the skill and
the answer two or three words. A maker writes forms from a table; a checker reads the answer's words back and compares
what they mean. With 13 nouns instead of 11, 200 rows taught `passive` to .83 only. Microseconds a row.
"""

from dataclasses import dataclass
from functools import partial
from random import Random

from evals.worlds.wordings import Wording, reword, rules
from evals.worlds.world import Exercise, Skill, World


@dataclass(frozen=True, slots=True)
class Noun:
    one: str
    many: str
    itself: str


@dataclass(frozen=True, slots=True)
class Verb:
    base: str
    singular: str
    gerund: str
    participle: str


NOUNS = (
    Noun("dog", "dogs", "itself"),
    Noun("mouse", "mice", "itself"),
    Noun("goose", "geese", "itself"),
    Noun("wolf", "wolves", "itself"),
    Noun("man", "men", "himself"),
    Noun("king", "kings", "himself"),
    Noun("boy", "boys", "himself"),
    Noun("woman", "women", "herself"),
    Noun("queen", "queens", "herself"),
    Noun("girl", "girls", "herself"),
    Noun("wife", "wives", "herself"),
)
VERBS = (
    Verb("help", "helps", "helping", "helped"),
    Verb("carry", "carries", "carrying", "carried"),
    Verb("see", "sees", "seeing", "seen"),
    Verb("know", "knows", "knowing", "known"),
    Verb("draw", "draws", "drawing", "drawn"),
    Verb("teach", "teaches", "teaching", "taught"),
    Verb("catch", "catches", "catching", "caught"),
    Verb("feed", "feeds", "feeding", "fed"),
    Verb("hide", "hides", "hiding", "hidden"),
    Verb("bite", "bites", "biting", "bitten"),
)
PLACES = ("near", "behind", "beside", "above")


def _phrase(skill: str, noun: Noun, verb: Verb, is_one: bool) -> str:
    """What the skill makes of a verb whose subject is `noun`."""
    match skill:
        case "already":
            return f"{'has' if is_one else 'have'} {verb.participle}"
        case "earlier":
            return f"{'was' if is_one else 'were'} {verb.gerund}"
        case "flip":
            return f"{noun.many} {verb.base}" if is_one else f"{noun.one} {verb.singular}"
        case "now":
            return f"{noun.one} {verb.singular}" if is_one else f"{noun.many} {verb.base}"
        case "passive":
            return f"{noun.one} was {verb.participle}" if is_one else f"{noun.many} were {verb.participle}"
        case "self":
            return f"{verb.singular} {noun.itself}" if is_one else f"{verb.base} themselves"
    raise AssertionError(f"no skill {skill!r}")


def _make(skill: str, rng: Random) -> Exercise:
    subject, other = rng.sample(NOUNS, 2)
    is_one, is_other_one = rng.random() < 0.5, rng.random() < 0.5
    verb = rng.choice(VERBS)
    subject_word = subject.one if is_one else subject.many
    other_word = other.one if is_other_one else other.many
    prompt = (
        f"passive {other_word} {verb.base} {subject_word}"  # who is acted upon stands last
        if skill == "passive"
        else f"{skill} {subject_word} {rng.choice(PLACES)} {other_word} {verb.base}"
    )
    return Exercise(
        prompt=prompt,
        completion=_phrase(skill, subject, verb, is_one),
        kind="same number" if is_one == is_other_one else "other number",
        misread=_phrase(skill, subject, verb, not is_one),
    )


_NUMBERS = {noun.one: "one" for noun in NOUNS} | {noun.many: "many" for noun in NOUNS}
_LEMMAS = {word: noun.one for noun in NOUNS for word in (noun.one, noun.many)}
_PRONOUNS = {noun.one: noun.itself for noun in NOUNS} | {noun.many: "themselves" for noun in NOUNS}
_AUXILIARIES = {"has": "one", "have": "many", "was": "one", "were": "many"}
_FINITE = {verb.singular: (verb.base, "one") for verb in VERBS} | {verb.base: (verb.base, "many") for verb in VERBS}
_GERUNDS = {verb.gerund: verb.base for verb in VERBS}
_PARTICIPLES = {verb.participle: verb.base for verb in VERBS}


def _subject_and_verb(prompt: str) -> tuple[str, str]:
    skill, *words = prompt.split()
    return (words[2], words[1]) if skill == "passive" else (words[0], words[-1])


def _accepts_now(prompt: str, answer: str) -> bool:
    subject, verb = _subject_and_verb(prompt)
    noun, _, finite = answer.partition(" ")
    return noun == subject and _FINITE.get(finite) == (verb, _NUMBERS[subject])


def _accepts_flip(prompt: str, answer: str) -> bool:
    subject, verb = _subject_and_verb(prompt)
    noun, _, finite = answer.partition(" ")
    is_flipped = noun != subject and _LEMMAS.get(noun) == _LEMMAS[subject]
    return is_flipped and _FINITE.get(finite) == (verb, _NUMBERS[noun])


def _accepts_self(prompt: str, answer: str) -> bool:
    subject, verb = _subject_and_verb(prompt)
    finite, _, pronoun = answer.partition(" ")
    return _FINITE.get(finite) == (verb, _NUMBERS[subject]) and pronoun == _PRONOUNS[subject]


def _accepts_compound(auxiliaries: tuple[str, str], forms: dict[str, str], prompt: str, answer: str) -> bool:
    """An auxiliary of the subject's number and a form of the verb."""
    subject, verb = _subject_and_verb(prompt)
    auxiliary, _, form = answer.partition(" ")
    return auxiliary in auxiliaries and _AUXILIARIES[auxiliary] == _NUMBERS[subject] and forms.get(form) == verb


def _accepts_passive(prompt: str, answer: str) -> bool:
    subject, _ = _subject_and_verb(prompt)
    noun, _, rest = answer.partition(" ")
    return noun == subject and _accepts_compound(("was", "were"), _PARTICIPLES, prompt, rest)


_ANY_NOUN = "|".join(_NUMBERS)
_SLOTS = {
    "skill": "already|earlier|flip|now|self",
    "subject": _ANY_NOUN,
    "other": _ANY_NOUN,
    "place": "|".join(PLACES),
    "verb": "|".join(verb.base for verb in VERBS),
}
_WORDINGS = (
    Wording(
        "{skill} {subject} {place} {other} {verb}", "use {verb} for {subject} {place} {other} with {skill}", _SLOTS
    ),
    Wording("passive {other} {verb} {subject}", "use {verb} for {subject} by {other} in passive", _SLOTS),
)


def _cued(prompt: str, answer: str) -> str:
    return f"{prompt} not sure but {answer}"


def _dressed(completion: str) -> str:
    return f"< {completion} >"


GRAMMAR = World(
    name="grammar",
    skills=(
        Skill(
            "already", partial(_make, "already"), partial(_accepts_compound, ("has", "have"), _PARTICIPLES), train=700
        ),
        Skill("earlier", partial(_make, "earlier"), partial(_accepts_compound, ("was", "were"), _GERUNDS), train=700),
        Skill("flip", partial(_make, "flip"), _accepts_flip, train=700),
        Skill("now", partial(_make, "now"), _accepts_now, train=700),
        Skill("passive", partial(_make, "passive"), _accepts_passive, train=700),
        Skill("self", partial(_make, "self"), _accepts_self, train=700),
    ),
    target="passive",
    second="flip",
    fields=("skill",),
    cued=_cued,
    dressed=_dressed,
    undress="< (.+) >",
    reworded=partial(reword, _WORDINGS),
    same=rules(_WORDINGS),
)
