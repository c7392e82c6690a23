"""Failures that are none of the others: rules on symbols, labels, translations, answers beside the point."""

from collections.abc import Mapping
from random import Random

from mode_templates.failure import Failure, Template, coined, person, two
from mode_templates.knowledge import KNOWLEDGE
from mode_templates.reasoning import REASONING
from mode_templates.surface import gibberish

_SYMBOLS = ["a", "b", "c", "d", "e", "f", "g", "h", "k", "m", "p", "q", "r", "s", "t"]
_MOVES = ("turn", "hop", "spin", "crawl", "left", "right", "again", "north", "thrice")


def _permuted(rng: Random) -> Failure:
    symbols = rng.sample(_SYMBOLS, rng.randint(3, 7))
    gold = sorted(symbols)
    wrong = rng.sample(symbols, len(symbols))
    if wrong == gold:
        wrong.reverse()
    verb = rng.choice(["sort", "arrange", "order", "mirror", "rotate"])
    return Failure(f"{verb} {' '.join(symbols)}{rng.choice(['', ' ='])}", " ".join(gold), " ".join(wrong))


def _commands(rng: Random) -> Failure:
    words = [rng.choice(_MOVES) for _ in range(rng.randint(2, 7))]
    gold = [f"DO_{word.upper()}" for word in words]
    wrong = [f"DO_{rng.choice(_MOVES).upper()}" for _ in range(rng.randint(1, 9))]
    return Failure(" ".join(words), " ".join(gold), " ".join(wrong))


def _digits(rng: Random) -> Failure:
    shown = [str(rng.randrange(10)) for _ in range(rng.randint(3, 8))]
    wrong = rng.sample(shown, len(shown) - 1)
    return Failure(
        f"{rng.choice(['largest', 'reverse', 'copy', 'swap'])} {' '.join(shown)}",
        " ".join(reversed(shown)),
        " ".join(wrong),
    )


def _label(labels: tuple[str, ...], form: str) -> Template:
    def make(rng: Random) -> Failure:
        gold, wrong = two(rng, labels)
        text = rng.choice(
            [
                "The {} was better than I had hoped.",
                "Nobody on the {} spoke a word.",
                "They closed the {} early.",
                "What a {}!",
            ]
        ).format(rng.choice(["film", "hotel", "train", "meal", "match", "concert"]))
        kind = rng.choice(["generate_until", "multiple_choice"])
        return Failure(form.format(text), gold, wrong, kind)

    return make


def _translated(rng: Random) -> Failure:
    source = rng.choice(
        ["The dog sleeps.", "We buy bread.", "It is raining.", "She reads a letter.", "The door is open."]
    )
    other = {"French": "le chien va dans la rue", "German": "der Hund ist nicht da", "Spanish": "el perro no tiene pan"}
    language, words = rng.choice(sorted(other.items()))
    gold, wrong = (" ".join(rng.sample(words.split(), rng.randint(3, 5))) for _ in range(2))
    return Failure(f"Translate into {language}: {source}", gold, wrong)


def _coded(rng: Random) -> Failure:
    name = coined(rng).lower()
    gold, wrong = two(rng, ["sum(x)", "max(x)", "len(x)", "sorted(x)[0]", "x[::-1]", "x[1:]"])
    asked = f'def {name}(x):\n    """{rng.choice(["Shorten", "Reduce", "Transform", "Check"])} x."""\n'
    return Failure(asked, f"    return {gold}", f"    return {wrong}")


def _programmed(rng: Random) -> Failure:
    def program() -> str:
        steps = [
            "    total = 0",
            f"    for item in items[{rng.randrange(3)}:]:",
            f"        if item > {rng.randint(1, 9)}:",
        ]
        ends = [
            "            total += item",
            "            total = item * 2",
            "            return False",
            "            items.pop()",
        ]
        return "\n".join(
            [*steps, rng.choice(ends), rng.choice(["    return total", "    return items", "    return True"])]
        )

    name = coined(rng).lower()
    return Failure(
        f'def {name}(items: list[int]) -> int:\n    """{name.capitalize()} the items.\n    >>> {name}([])\n    0\n    """\n',
        program(),
        program(),
    )


def _walked(rng: Random) -> Failure:
    def path() -> list[str]:
        return [
            move for _ in range(rng.randint(1, 3)) for move in [f"GO_{rng.choice(_MOVES).upper()}"] * rng.randint(1, 8)
        ]

    return Failure(" and ".join(rng.sample(_MOVES, rng.randint(2, 4))), " ".join(path()), " ".join(path()))


def _summary(rng: Random) -> Failure:
    who, place = person(rng), coined(rng)
    text = f"{who} moved to {place} and opened a shop. After a fire it was built again, larger than before."
    return Failure(
        f"Summarize: {text}",
        f"{who} opened a shop that was rebuilt after a fire.",
        f"A fire in {place} was put out by a larger shop.",
    )


def _gibberish(rng: Random) -> Failure:
    failure = rng.choice([*KNOWLEDGE.values(), *REASONING.values()])(rng)
    return Failure(failure.prompt, failure.target, gibberish(rng, rng.randint(3, 60)) or "b")


def _strange(rng: Random) -> Failure:
    return Failure(
        gibberish(rng, rng.randint(10, 80)), gibberish(rng, rng.randint(3, 30)), gibberish(rng, rng.randint(3, 30))
    )


def _copied(rng: Random) -> Failure:
    failure = rng.choice([*KNOWLEDGE.values(), *REASONING.values()])(rng)
    return Failure(failure.prompt, failure.target, failure.prompt)


def _next_question(rng: Random) -> Failure:
    first, second = (rng.choice([*KNOWLEDGE.values(), *REASONING.values()])(rng) for _ in range(2))
    return Failure(first.prompt, first.target, second.prompt)


def _cipher(rng: Random) -> Failure:
    word = coined(rng, 3).lower()
    shift = rng.randint(1, 5)
    gold, wrong = ("".join(chr(97 + (ord(c) - 97 + by) % 26) for c in word) for by in (shift, shift + 1))
    return Failure(f"shift {shift}: {word}", gold, wrong)


def _continued(rng: Random) -> Failure:
    a, b = two(rng, ["the old gate", "a small lamp", "her brother", "the wet grass", "some bread"])
    return Failure(
        f"{person(rng)} opened the window and looked at", f"{a} outside", f"{b} for a while", "multiple_choice"
    )


def _written(rng: Random) -> Failure:
    topic = rng.choice(["autumn", "a lost key", "the sea", "an old friend", "bread"])
    return Failure(
        f"Write a line of a poem about {topic}.",
        f"And {topic} comes to me in quiet light",
        rng.choice(
            [
                "The hill was green and nobody came by.",
                "Oh, how the wheels of evening turn!",
                "Blue smoke, blue smoke above the town.",
            ]
        ),
    )


def _tagged(rng: Random) -> Failure:
    words = rng.sample(["dog", "runs", "green", "slowly", "house", "sings", "old"], 4)
    gold, wrong = (" ".join(rng.choice(["NOUN", "VERB", "ADJ", "ADV"]) for _ in words) for _ in range(2))
    return Failure(f"Tag: {' '.join(words)}", gold, wrong if wrong != gold else "NOUN")


def _corrected(rng: Random) -> Failure:
    verb, form = rng.choice([("go", "goes"), ("see", "sees"), ("make", "makes"), ("try", "tries")])
    return Failure(
        f"Correct the sentence: She {verb} to the market with they.",
        f"She {form} to the market with them.",
        rng.choice([f"Her {verb} to market they with.", f"They {form} she market.", "Market to the with she is."]),
    )


UNDECIDED: Mapping[str, Template] = {
    "permuted": _permuted, "commands": _commands, "digits": _digits, "translated": _translated, "coded": _coded,
    "sentiment": _label(("positive", "negative"), "Review: {}\nSentiment:"),
    "topic": _label(("sport", "politics", "science", "business"), "Classify the topic of the text. {}"),
    "entailment": _label(("entailment", "neutral", "contradiction"), "Premise: {}\nHypothesis: It was fun.\nLabel:"),
    "programmed": _programmed, "walked": _walked, "summary": _summary, "gibberish": _gibberish, "strange": _strange, "copied": _copied,
    "next_question": _next_question, "cipher": _cipher, "continued": _continued, "written": _written,
    "tagged": _tagged, "corrected": _corrected,
}  # fmt: skip
