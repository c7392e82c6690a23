"""Questions for facts, answered with another fact: plain facts, and ones about what does not exist."""

from collections.abc import Mapping, Sequence
from random import Random

from mode_templates.failure import Failure, Template, coined, person, two

_CAPITALS = {
    "France": "Paris", "Japan": "Tokyo", "Egypt": "Cairo", "Peru": "Lima", "Norway": "Oslo", "Kenya": "Nairobi",
    "Cuba": "Havana", "Austria": "Vienna", "Portugal": "Lisbon", "Iraq": "Baghdad", "Chile": "Santiago",
}  # fmt: skip
_SYMBOLS = {"gold": "Au", "iron": "Fe", "sodium": "Na", "tin": "Sn", "lead": "Pb", "silver": "Ag", "potassium": "K"}
_AUTHORS = {
    "Hamlet": "William Shakespeare", "Emma": "Jane Austen", "Faust": "Goethe", "Ulysses": "James Joyce",
    "Don Quixote": "Miguel de Cervantes", "The Trial": "Franz Kafka", "War and Peace": "Leo Tolstoy",
}  # fmt: skip
_YEARS = {
    "World War I end": "1918", "the Berlin Wall fall": "1989", "Columbus first reach America": "1492",
    "the French Revolution begin": "1789", "humans first land on the Moon": "1969", "the Titanic sink": "1912",
}  # fmt: skip
_ANIMALS = {"cow": "calf", "goose": "gosling", "sheep": "lamb", "horse": "foal", "goat": "kid", "swan": "cygnet"}
_LEGS = {"spider": "8", "ant": "6", "crab": "10", "ostrich": "2", "lobster": "10", "beetle": "6"}
_COLOURS = {"a ruby": "red", "an emerald": "green", "a ripe lemon": "yellow", "chlorophyll": "green", "coal": "black"}
_ORGANS = {
    "pumps blood": "the heart", "filters the blood": "the kidneys", "makes bile": "the liver",
    "controls balance": "the cerebellum", "makes insulin": "the pancreas",
}  # fmt: skip
_MEANINGS = {
    "frugal": "thrifty", "arid": "dry", "lucid": "clear", "obsolete": "out of date", "timid": "shy", "brisk": "quick",
}  # fmt: skip
_LANGUAGES = {"Brazil": "Portuguese", "Austria": "German", "Mexico": "Spanish", "Quebec": "French", "Iran": "Persian"}
_CURRENCIES = {"Japan": "yen", "India": "rupee", "Poland": "zloty", "Sweden": "krona", "Thailand": "baht"}
_CAUSES = {
    "is the sky blue": "air scatters blue light more than red",
    "do leaves change colour in autumn": "they lose their chlorophyll",
    "does ice float on water": "it is less dense than water",
    "do we have tides": "the Moon's gravity pulls on the oceans",
    "does iron rust": "it reacts with oxygen and water",
}
_DEFINITIONS = {
    "a peninsula": "land that is almost surrounded by water", "an archipelago": "a group of islands",
    "a nocturne": "a piece of music inspired by the night", "photosynthesis": "how plants make sugar from light",
    "a senator": "a member of a senate", "an axiom": "a statement that is taken to be true",
}  # fmt: skip


def _answered(rng: Random, prompt: str, gold: str, wrong: str, sentence: str) -> Failure:
    """`sentence` with {} for the answer."""
    style = rng.random()
    stem = sentence.format(wrong)
    stem = stem[:1].upper() + stem[1:]
    if style < 0.45:
        answer = wrong
    elif style < 0.7:
        answer = stem + "."
    elif style < 0.8:
        answer = f"The answer is {wrong}."
    elif style < 0.9:
        answer = f"{stem}. {rng.choice(['It is well known for this.', 'This has been so for a long time.', 'Many books say so.'])}"
    else:
        answer = f"I think it is {wrong}."
    target = gold if rng.random() < 0.75 else sentence.format(gold)[:1].upper() + sentence.format(gold)[1:] + "."
    lead = rng.choice(["", "", "", "", "Question: ", "Q: "])
    return Failure(f"{lead}{prompt}{' Answer:' if lead == 'Question: ' else ''}", target, answer)


def _table(facts: Mapping[str, str], question: str, sentence: str) -> Template:
    def make(rng: Random) -> Failure:
        subject, gold = rng.choice(sorted(facts.items()))
        wrong = rng.choice(sorted({value for value in facts.values() if value != gold}))
        return _answered(rng, question.format(subject), gold, wrong, sentence.format(subject, "{}"))

    return make


def _said(question: str, sentence: str, gold: Sequence[str]) -> Template:
    """About something coined; the answer is one of some."""

    def make(rng: Random) -> Failure:
        subject = coined(rng, 2)
        right, wrong = two(rng, gold)
        return _answered(rng, question.format(subject), right, wrong, sentence.replace("<>", subject))

    return make


def _who(question: str, sentence: str) -> Template:
    def make(rng: Random) -> Failure:
        subject = coined(rng, 2)
        return _answered(rng, question.format(subject), person(rng), person(rng), sentence.replace("<>", subject))

    return make


def _place(question: str, sentence: str) -> Template:
    def make(rng: Random) -> Failure:
        subject = rng.choice([person(rng), coined(rng, 3)])
        return _answered(rng, question.format(subject), coined(rng, 2), coined(rng, 2), sentence.replace("<>", subject))

    return make


def _number(question: str, sentence: str, low: int, high: int) -> Template:
    def make(rng: Random) -> Failure:
        subject = coined(rng, 2)
        gold = rng.randint(low, high)
        wrong = max(1, gold + rng.choice([-1, 1]) * rng.randint(max(2, gold // 30), max(4, gold // 3)))
        return _answered(rng, question.format(subject), str(gold), str(wrong), sentence.replace("<>", subject))

    return make


def _choice(rng: Random) -> Failure:
    subject, gold = rng.choice(sorted((_CAPITALS | _AUTHORS | _LANGUAGES).items()))
    table = next(t for t in (_CAPITALS, _AUTHORS, _LANGUAGES) if t.get(subject) == gold)
    others = rng.sample(sorted(set(table.values()) - {gold}), 3)
    options = rng.sample([gold, *others], 4)
    asked = "is the capital of" if table is _CAPITALS else "wrote" if table is _AUTHORS else "is spoken most in"
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
    wrong = rng.choice(others)
    letters = rng.random() < 0.5
    gold_text, wrong_text = (f"{'ABCD'[options.index(o)]}" if letters else o for o in (gold, wrong))
    kind = "multiple_choice" if rng.random() < 0.6 else "generate_until"
    return Failure(f"Which of these {asked} {subject}?\n{lines}\nAnswer:", gold_text, wrong_text, kind)


def _completed(rng: Random) -> Failure:
    subject, gold = rng.choice(sorted((_CAPITALS | _CURRENCIES).items()))
    table = next(t for t in (_CAPITALS, _CURRENCIES) if t.get(subject) == gold)
    wrong = rng.choice(sorted(set(table.values()) - {gold}))
    what = "capital" if table is _CAPITALS else "currency"
    return Failure(f"The {what} of {subject} is", gold, wrong, rng.choice(["generate_until", "multiple_choice"]))


def _is_it_true(rng: Random) -> Failure:
    claim = rng.choice(
        [
            "A whale is a fish", "Mercury is the planet closest to the Sun", "Glass conducts electricity well",
            "Penguins live at the North Pole", "Bats are mammals", "Gold is heavier than iron", "Venus has a moon",
            "Tomatoes are fruits", "Sharks have bones", "Iceland has an army", "Sound travels through a vacuum",
        ]
    )  # fmt: skip
    gold, wrong = two(rng, rng.choice([["yes", "no"], ["True", "False"]]))
    form = f"Is this true? {claim}." if gold.islower() else f"True or false: {claim}."
    answer = rng.choice([wrong, wrong, f"{wrong.capitalize()}, this is known from biology and physics."])
    return Failure(form, gold, answer)


def _passage_of_life(rng: Random) -> Failure:
    who, place, other = person(rng), coined(rng), coined(rng)
    return Failure(
        f"In which country did the painter {who} spend most of their life?",
        place,
        rng.choice([other, f"{who} lived mostly in {other}, where many of the paintings still hang."]),
    )


def _long_answer(rng: Random) -> Failure:
    subject = coined(rng, 3)
    field = rng.choice(["chemist", "composer", "general", "poet", "queen", "explorer"])
    right, wrong = two(rng, ["a chemist", "a composer", "a general", "a poet", "a queen", "an explorer"])
    return Failure(
        rng.choice([f"Who was {subject}?", f"Tell me about {subject}.", f"What is {subject} known for?"]),
        f"{subject} was {right} of the {rng.choice(['sixteenth', 'nineteenth'])} century.",
        f"{subject} was {wrong} who came from {coined(rng)} and worked with the {field} {person(rng)} for many years.",
    )


KNOWLEDGE: Mapping[str, Template] = {
    "capital": _table(_CAPITALS, "What is the capital of {}?", "the capital of {} is {}"),
    "symbol": _table(_SYMBOLS, "What is the chemical symbol for {}?", "the symbol for {} is {}"),
    "author": _table(_AUTHORS, "Who wrote {}?", "{} was written by {}"),
    "event_year": _table(_YEARS, "In what year did {}?", "that was the year {1}"),
    "young": _table(_ANIMALS, "What do you call a young {}?", "a young {} is called a {}"),
    "legs": _table(_LEGS, "How many legs does a {} have?", "a {} has {} legs"),
    "colour": _table(_COLOURS, "What color is {}?", "{} is {}"),
    "organ": _table(_ORGANS, "Which organ {}?", "the organ that {} is {}"),
    "synonym": _table(_MEANINGS, "What does the word {} mean?", "{} means {}"),
    "language": _table(_LANGUAGES, "Name the official language of {}.", "people in {} speak {}"),
    "currency": _table(_CURRENCIES, "What money is used in {}?", "in {} people pay with the {}"),
    "why": _table(_CAUSES, "Why {}?", "because {1}"),
    "definition": _table(_DEFINITIONS, "What is {}?", "{} is {}"),
    "inventor": _who("Who invented the {} engine?", "the <> engine was invented by {}"),
    "discoverer": _who("Which scientist first described {}'s law?", "<>'s law was first described by {}"),
    "singer": _who("Who sang the song `{}`?", "the song was sung by {}"),
    "founder": _who("{} was founded by whom?", "<> was founded by {}"),
    "actor": _who("What actor played the lead in the film {}?", "the lead in <> was {}"),
    "owner": _who("Who is the current president of {}?", "the president of <> is {}"),
    "birthplace": _place("Where was {} born?", "<> was born in {}"),
    "location": _place("Where is the University of {}?", "the University of <> is in {}"),
    "river": _place("What river flows through {}?", "the river through <> is the {}"),
    "continent": _said("On what continent is {}?", "<> is in {}", ["Africa", "Asia", "Europe", "South America"]),
    "sport": _said(
        "What sport does {} play?", "<> plays {}", ["tennis", "baseball", "football", "hockey", "chess", "golf"]
    ),
    "material": _said(
        "What is {} cloth made from?", "<> cloth is made from {}", ["wool", "cotton", "silk", "linen", "nylon"]
    ),
    "day": _said("When is {} Day celebrated?", "<> Day is celebrated on {}", ["May 1", "June 12", "October 3", "July 7"]),
    "disease": _said("What causes {} fever?", "<> fever is caused by {}", ["a virus", "bacteria", "a worm", "a lack of iron"]),
    "abbreviation": _said(
        "What does {} stand for?", "<> stands for {}",
        ["National Office of Trade", "North Atlantic Survey", "New Order of Teachers", "Naval Observatory Team"],
    ),
    "founding_year": _number("When was the city of {} founded?", "<> was founded in {}", 1100, 1990),
    "population": _number("How many people live in {}?", "<> has {} inhabitants", 900, 900_000),
    "height": _number("How tall is Mount {}?", "Mount <> is {} feet high", 800, 9_000),
    "distance": _number("How far is it from {} to the coast?", "it is {} miles from <> to the coast", 20, 900),
    "age": _number("How old was {} when the war began?", "<> was {} years old", 17, 80),
    "moons": _number("How many moons does the planet {} have?", "<> has {} moons", 2, 80),
    "choice": _choice,
    "completed": _completed,
    "claim": _is_it_true,
    "life": _passage_of_life,
    "portrait": _long_answer,
}  # fmt: skip
