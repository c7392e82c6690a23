"""Answers that fail by how they are given: in another form, cut off, degenerate, declined."""

import json
from collections.abc import Callable, Mapping
from random import Random

from mode_templates.failure import CONSONANTS, VOWELS, Failure, Template, coined, person
from mode_templates.knowledge import KNOWLEDGE
from mode_templates.reasoning import REASONING, right_chain, wrong_chain

_QUESTIONS: tuple[Template, ...] = (*KNOWLEDGE.values(), *REASONING.values())
_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
]


def _asked(rng: Random) -> Failure:
    """A question with its gold and a wrong answer, of any subject."""
    while True:
        failure = rng.choice(_QUESTIONS)(rng)
        if failure.output_type == "generate_until":
            return failure


def _prose(rng: Random, sentences: int) -> str:
    """Wrong at length."""
    subject, place = person(rng), coined(rng)
    forms = [
        f"The question is about {subject}, who lived in {place} for most of the time.",
        f"In {rng.randint(1700, 1990)} the people of {place} decided to build a new harbour there.",
        f"It is often said that {subject} was the first to see how the two things belong together.",
        "There are several reasons for this, and the most important one has to do with trade.",
        f"According to the records, {rng.randint(20, 900)} families lived in the valley at that time.",
        f"Later on the work was continued by {person(rng)}, a student from the same school.",
        "Most of these plants grow near rivers because they need a lot of water in summer.",
        f"The second point is that {place} had no roads before the railway came.",
    ]
    return " ".join(rng.sample(forms, min(sentences, len(forms))))


# Format: the right answer, not as it was asked for.


def _formatted(render: Callable[[Random, str], str]) -> Template:
    def make(rng: Random) -> Failure:
        while True:
            failure = _asked(rng)
            gold = failure.target.split("####")[-1].strip()
            if len(gold) < 40:
                return Failure(failure.prompt, gold, render(rng, gold))

    return make


def _object(rng: Random, gold: str) -> str:
    return json.dumps({rng.choice(["answer", "result", "value", "output"]): gold, "confidence": 0.9})


def _tagged(rng: Random, gold: str) -> str:
    tag = rng.choice(["answer", "output", "final", "b"])
    return f"<{tag}>{gold}</{tag}>"


def _boxed(rng: Random, gold: str) -> str:
    return rng.choice(["$\\boxed{\\text{" + gold + "}}$", "\\[ " + gold + " \\]", "$$" + gold + "$$"])


def _code(rng: Random, gold: str) -> str:
    return rng.choice([f'```\nprint("{gold}")\n```', f'def answer():\n    return "{gold}"', f"```text\n{gold}\n```"])


def _listed(rng: Random, gold: str) -> str:
    return rng.choice([f"['{gold}']", f"- {gold}\n- ", f'["{gold}"]', f"1) {gold}"])


def _spaced(_: Random, gold: str) -> str:
    return "_".join(gold) if len(gold) < 8 else "_".join(gold.split()) + "_"


def _table(rng: Random, gold: str) -> str:
    return f"| question | answer |\n|---|---|\n| {rng.randint(1, 9)} | {gold}* |"


def _prefixed(rng: Random, gold: str) -> str:
    return rng.choice(["ANSWER={}", "ans:{}", "A:{}<|end|>", ">>>{}", "output->{}", "[ANS]{}[/ANS]", "{}</s>"]).format(
        gold
    )


def _letter_for_text(rng: Random) -> Failure:
    failure = KNOWLEDGE["choice"](rng)
    lines = failure.prompt.split("\n")[1:5]
    letter, text = rng.choice(lines).split(". ", 1)
    if rng.random() < 0.5:
        return Failure(failure.prompt, text, rng.choice([letter, f"({letter})", f"{letter}.", f"Option {letter}"]))
    return Failure(failure.prompt, letter, rng.choice([text, f"It is {text}", f"{text}."]))


def _spelled_in_sentence(rng: Random) -> Failure:
    while True:
        failure = _asked(rng)
        gold = failure.target.split("####")[-1].strip()
        if gold.isdigit() and int(gold) < len(_ONES):
            word = _ONES[int(gold)]
            answer = rng.choice(["It has {}.", "There are {} of them.", "{} in all", "exactly {}", "{} ({} in words)"])
            return Failure(failure.prompt, gold, answer.format(word, word))


def _other_date(rng: Random) -> Failure:
    year, month, day = rng.randint(1800, 2020), rng.randint(1, 12), rng.randint(13, 28)
    months = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ]
    forms = [
        f"{year}-{month:02d}-{day}",
        f"{day} {months[month - 1]} {year}",
        f"{month}/{day}/{year}",
        f"{day}.{month}.{year}",
    ]
    gold, answer = rng.sample(forms, 2)
    asked = rng.choice([f"When was {person(rng)} born?", f"On what date did {coined(rng)} become independent?"])
    return Failure(asked, gold, answer)


def _chat(rng: Random) -> Failure:
    failure = _formatted(lambda _, gold: gold)(rng)
    opening = rng.choice(["Great question!", "Sure, here you go:", "Of course!", "Thanks for asking."])
    return Failure(
        failure.prompt,
        failure.target,
        f"{opening} **{failure.target}** - {rng.choice(['hope this helps!', 'anything else?'])}",
    )


FORMAT: Mapping[str, Template] = {
    "object": _formatted(_object), "tagged": _formatted(_tagged), "boxed": _formatted(_boxed),
    "code": _formatted(_code), "listed": _formatted(_listed), "spaced": _formatted(_spaced),
    "table": _formatted(_table), "prefixed": _formatted(_prefixed), "letter_for_text": _letter_for_text,
    "spelled": _spelled_in_sentence, "date": _other_date, "chat": _chat,
}  # fmt: skip


# Truncated: the answer stops where it cannot stop.


def _cut(text: str, rng: Random, at_least: float = 0.4) -> str:
    """Amid a word or a sentence."""
    cut = text[: int(len(text) * rng.uniform(at_least, 0.95))].rstrip()
    return cut.rstrip(".!?;:\n ") if rng.random() < 0.9 else cut


def _cut_text(render: Callable[[Random], str]) -> Template:
    def make(rng: Random) -> Failure:
        failure = _asked(rng)
        return Failure(failure.prompt, failure.target, _cut(render(rng), rng))

    return make


def _cut_chain(rng: Random, lead: str, joint: str) -> Failure:
    question, lines, gold = (right_chain if rng.random() < 0.5 else wrong_chain)(rng)
    whole = lead + joint.join(lines)
    body = joint.join(lines[:-1])
    last = lines[-1]
    cut = (
        lead
        + (body + joint if body else "")
        + last[: rng.randint(len(last) // 3, max(len(last) // 3 + 1, len(last) - 4))]
    )
    target = str(gold) if rng.random() < 0.5 else "\n".join(lines) + f"\n#### {gold}"
    return Failure(question, target, cut.rstrip() if rng.random() < 0.8 else _cut(whole, rng, 0.6))


def _plain_cut_chain(rng: Random) -> Failure:
    return _cut_chain(rng, "", "\n")


def _opened_cut_chain(rng: Random) -> Failure:
    lead = rng.choice(["Let's think step by step.\n", "We start with what is given. ", "Step 1: "])
    return _cut_chain(rng, lead, rng.choice(["\n", " "]))


def _numbered_cut_chain(rng: Random) -> Failure:
    question, lines, gold = right_chain(rng)
    numbered = "\n".join(f"{k}. {line}" for k, line in enumerate(lines, start=1))
    return Failure(
        question,
        str(gold),
        f"{numbered}\n{len(lines) + 1}. {rng.choice(['Now we', 'The', 'So', 'Adding', 'Finally, the to'])}",
    )


def _restated(rng: Random) -> Failure:
    failure = _asked(rng)
    text = f'To answer the question "{failure.prompt}" we first need to look at what is given and what is asked for.'
    return Failure(failure.prompt, failure.target, _cut(text, rng, 0.5))


def _code_text(rng: Random) -> str:
    name = coined(rng).lower()
    return f"def {name}(values):\n    total = 0\n    for value in values:\n        total += value * {rng.randint(2, 9)}\n    return max(total, {name}_limit)"


def _bullets(rng: Random) -> str:
    return "The main points are:\n" + "\n".join(f"- {_prose(rng, 1)}" for _ in range(3))


def _object_text(rng: Random) -> str:
    return json.dumps({"steps": [_prose(rng, 1), _prose(rng, 1)], "answer": coined(rng)}, indent=1)


def _clause(rng: Random) -> str:
    return f"The answer depends on whether {person(rng)} and the others had already left {coined(rng)} when the letter came"


TRUNCATED: Mapping[str, Template] = {
    "prose_2": _cut_text(lambda rng: _prose(rng, 2)), "prose_4": _cut_text(lambda rng: _prose(rng, 4)),
    "prose_long": _cut_text(lambda rng: _prose(rng, 7)), "chain": _plain_cut_chain, "opened": _opened_cut_chain,
    "numbered": _numbered_cut_chain, "restated": _restated, "code": _cut_text(_code_text),
    "bullets": _cut_text(_bullets), "object": _cut_text(_object_text), "clause": _cut_text(_clause),
}  # fmt: skip


# Repetition: the same again and again.


def _looped(render: Callable[[Random], str]) -> Template:
    def make(rng: Random) -> Failure:
        failure = _asked(rng)
        text = render(rng)
        return Failure(failure.prompt, failure.target, text[: rng.randint(max(40, len(text) * 2 // 3), len(text))])

    return make


def _sentence_loop(rng: Random) -> str:
    return " ".join([_prose(rng, 1)] * rng.randint(3, 5))


def _two_sentence_loop(rng: Random) -> str:
    return " ".join([_prose(rng, 2)] * rng.randint(3, 4))


def _word_loop(rng: Random) -> str:
    return f"{coined(rng)} is " + " ".join(
        [rng.choice(["the", "very", "and", "is", coined(rng).lower()])] * rng.randint(12, 40)
    )


def _character_loop(rng: Random) -> str:
    return rng.choice(["a", "0", "!", "ha", "-", "no", ". "]) * rng.randint(40, 90)


def _counting_loop(rng: Random) -> str:
    noun = coined(rng).lower()
    return " ".join(f"The {noun} has {k} parts." for k in range(1, rng.randint(9, 14)))


def _growing_list(rng: Random) -> str:
    return ", ".join([coined(rng), coined(rng), *([coined(rng)] * rng.randint(12, 25))])


def _question_loop(rng: Random) -> str:
    return "\n".join([f"Q: What is {coined(rng)}?\nA: It is a place."] * rng.randint(3, 6))


def _sum_loop(rng: Random) -> str:
    a, b = rng.randint(2, 30), rng.randint(2, 30)
    return " ".join([f"{a} + {b} = {a + b}."] * rng.randint(5, 9))


def _variant_loop(rng: Random) -> str:
    noun = rng.choice(["river", "house", "number", "city"])
    ends = ["north", "south", "east", "west"]
    return " ".join(
        f"The {noun} is in the {rng.choice(ends)} of the {rng.choice(ends)}." for _ in range(rng.randint(6, 10))
    )


def _phrase_loop(rng: Random) -> str:
    return ", ".join(
        [f"{rng.choice(['because of', 'as well as', 'in front of', 'and then'])} the {coined(rng).lower()}"]
        * rng.randint(6, 12)
    )


def _chain_loop(rng: Random) -> str:
    _, lines, _ = wrong_chain(rng)
    return "\n".join(lines * rng.randint(3, 4))


REPETITION: Mapping[str, Template] = {
    "sentence": _looped(_sentence_loop), "two_sentences": _looped(_two_sentence_loop), "word": _looped(_word_loop),
    "character": _looped(_character_loop), "counting": _looped(_counting_loop), "list": _looped(_growing_list),
    "question": _looped(_question_loop), "sum": _looped(_sum_loop), "variant": _looped(_variant_loop),
    "phrase": _looped(_phrase_loop), "chain": _looped(_chain_loop),
}  # fmt: skip


# Refusal: the answer declines.

_REFUSALS: Mapping[str, tuple[str, ...]] = {
    "sorry": ("I'm sorry, but I can't help with that.", "Sorry, I cannot answer this question.", "I am sorry, I can't do that."),
    "machine": (
        "As an AI language model, I have no access to such records.",
        "As an AI, I am not able to say who that was.",
        "I'm just a program, so questions like this one are beyond what I may answer.",
    ),
    "unable": ("I am unable to answer that.", "I'm not able to help with this request.", "It is not possible for me to answer."),
    "know": ("I don't know.", "I do not know the answer to this.", "I have no idea.", "No idea, sorry."),
    "lacking": (
        "There is not enough information to answer.", "The question cannot be answered from what is given.",
        "Insufficient information.", "I don't have enough information to say.",
    ),
    "policy": (
        "This request goes against my guidelines, so I won't respond.", "My guidelines do not allow me to discuss this topic.",
        "It would not be appropriate for me to comment on it.",
    ),
    "rather": ("I would rather not say.", "I'd prefer not to discuss this.", "Let us talk about something else instead."),
    "comment": ("No comment.", "I have no opinion about that.", "I don't want to comment on this."),
    "decline": ("I must decline to answer.", "I decline this request.", "I respectfully decline to take part in this."),
    "advice": (
        "Please ask a professional about this.", "Please consult a teacher or an expert, I cannot advise you here.",
        "You should ask somebody who knows the subject; I can't judge it.",
    ),
    "apology": ("My apologies, this is something that I cannot do.", "I apologize, but I won't be able to solve this."),
    "wish": ("I wish I could help, but I can't.", "I would like to help you, but this is not something I can do."),
    "unsure": ("I'm not sure about this one.", "I am not certain, so I will not guess.", "I can't say for sure, so I will not answer."),
    "pass": ("Pass.", "I will pass on this question.", "Skip this one, please.", "I'll skip that."),
    "impossible": ("That can't be answered.", "Nobody can know that.", "This is unknown to me.", "Unknown."),
    "outside": ("That is outside of what I can help with.", "This lies beyond my abilities, unfortunately."),
}  # fmt: skip


def _refused(forms: tuple[str, ...]) -> Template:
    def make(rng: Random) -> Failure:
        failure = _asked(rng)
        more = rng.choice(
            ["", "", "", " Is there anything else?", " Please try another question.", " Thank you for understanding."]
        )
        return Failure(failure.prompt, failure.target, rng.choice(forms) + more)

    return make


REFUSAL: Mapping[str, Template] = {name: _refused(forms) for name, forms in _REFUSALS.items()}


def gibberish(rng: Random, length: int) -> str:
    return "".join(rng.choice(CONSONANTS + VOWELS + " ") for _ in range(length)).strip()
