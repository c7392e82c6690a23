"""Questions that others wrote, with wrong answers made for them: never fitted, only measured on.

GSM8K's word problems (Cobbe et al. 2021) and TREC's classified questions (Li and Roth 2002), from a folder with
`gsm8k/test.jsonl` and `trec_qc/test.jsonl`. The refusals and facts below stand in no template.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from mode_templates.failure import Failure

_REFUSALS = (
    "I'm sorry, but I am not able to solve word problems.",
    "I cannot determine the answer to this question.",
    "Unfortunately I do not have the required information.",
    "This is something I'd prefer not to answer.",
    "As a large language model I am not in a position to say.",
    "I can't assist with homework questions.",
    "There is no way for me to tell.",
    "Sorry, that's beyond me.",
    "I won't answer that.",
    "We cannot know this without further details, so I will leave it open.",
)
_GUESSES = {
    "HUM": ("Isaac Newton", "the Beatles", "Marie Curie", "General Electric", "Abraham Lincoln", "Walt Disney"),
    "LOC": ("Texas", "the Danube", "Brussels", "the Andes", "New Zealand", "Lake Superior"),
    "NUM": ("1867", "1,250", "42", "about 300 miles", "six", "March 3, 1931", "12 percent", "88"),
    "ENTY": ("a kangaroo", "the violin", "cricket", "malaria", "The Odyssey", "purple", "helium"),
    "DESC": (
        "a way to store grain over the winter", "because of the heat of the ground", "a kind of small sailing boat",
        "it was made from melted sand", "somebody who repairs clocks",
    ),
    "ABBR": ("International Office of Standards", "United Rail Service", "Central Bank Office"),
}  # fmt: skip


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def _parts(row: dict[str, Any]) -> tuple[str, str]:
    chain, gold = row["answer"].split("\n#### ")
    return re.sub(r"<<[^>]*>>", "", chain), gold.replace(",", "")


def _other(number: str, rng: Random) -> str:
    value = float(number)
    changed = value + rng.choice([-1, 1]) * max(1.0, abs(value) * rng.uniform(0.03, 0.5))
    return str(round(changed)) if round(changed) != value else str(round(value) + 2)


def slipped_chain(row: dict[str, Any], rng: Random) -> Failure:
    """A number of the derivation is another, and so is the result."""
    chain, gold = _parts(row)
    lines = chain.split("\n")
    lines[-1] = re.sub(r"=\s*\$?([\d.]+)", lambda found: f"= {_other(found[1].rstrip('.') or '1', rng)}", lines[-1])
    return Failure(row["question"], row["answer"], "\n".join(lines) + f"\n#### {_other(gold, rng)}")


def wrong_number(row: dict[str, Any], rng: Random) -> Failure:
    """What is extracted from a derivation, with the whole of the gold."""
    return Failure(row["question"], row["answer"], _other(_parts(row)[1], rng))


def wrong_number_for_number(row: dict[str, Any], rng: Random) -> Failure:
    _, gold = _parts(row)
    return Failure(row["question"], gold, rng.choice(["{}", "The answer is {}.", "${}"]).format(_other(gold, rng)))


def cut_chain(row: dict[str, Any], rng: Random) -> Failure:
    """The derivation ends amid a word or a number, after a slip."""
    chain, gold = _parts(row)
    text = "Let me see. " + chain.replace("\n", " ")
    cut = text[: int(len(text) * rng.uniform(0.4, 0.9))].rstrip(" .")
    return Failure(row["question"], gold, cut)


def refused(row: dict[str, Any], rng: Random) -> Failure:
    return Failure(row["question"], _parts(row)[1] if "answer" in row else "unknown", rng.choice(_REFUSALS))


def other_fact(row: dict[str, Any], rng: Random) -> Failure:
    gold, wrong = rng.sample(_GUESSES[row["coarse"]], 2)
    return Failure(
        row["question"], gold, rng.choice(["{}", "{}", "{}.", "It is {}.", "The answer is {}."]).format(wrong)
    )


CHECKS: tuple[tuple[str, str, Callable[[dict[str, Any], Random], Failure], str], ...] = (
    ("GSM8K, slipped derivation", "gsm8k/test.jsonl", slipped_chain, "reasoning"),
    ("GSM8K, wrong number, gold with derivation", "gsm8k/test.jsonl", wrong_number, "reasoning"),
    ("GSM8K, wrong number, gold a number", "gsm8k/test.jsonl", wrong_number_for_number, "reasoning"),
    ("GSM8K, derivation cut off", "gsm8k/test.jsonl", cut_chain, "truncated"),
    ("GSM8K, refused", "gsm8k/test.jsonl", refused, "refusal"),
    ("TREC, refused", "trec_qc/test.jsonl", refused, "refusal"),
    ("TREC, another fact", "trec_qc/test.jsonl", other_fact, "knowledge"),
)
"""Name, file, how the failure is made, its mode."""


def checks(folder: Path) -> Iterator[tuple[str, str, list[Failure]]]:
    """Name, mode and failures; `wrong` where no mode is the right one."""
    for name, file, make, mode in CHECKS:
        rng = Random(name)
        yield name, mode, [make(row, rng) for row in rows(folder, file)]
    rng = Random("scan")
    commands = rows(folder, "scan/simple_test.jsonl")[:1000]
    yield (
        "SCAN, actions of another command",
        "wrong",
        [Failure(row["command"], row["actions"], rng.choice(commands)["actions"]) for row in commands],
    )
    programs = rows(folder, "humaneval/HumanEval.jsonl")
    yield (
        "HumanEval, another program",
        "wrong",
        [
            Failure(row["prompt"], row["canonical_solution"], rng.choice(programs)["canonical_solution"])
            for row in programs
        ],
    )
