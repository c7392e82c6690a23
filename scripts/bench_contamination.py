"""Planted contamination: which rows of a pool that repeat evaluation items pass the gate, and which clean rows do not.

    python scripts/bench_contamination.py [--root ../shared/data] [--rows 1000000] [--items 20000] [--json]

A hundred of GSM8K's test questions with their solutions (Cobbe et al. 2021), or without --root of made word problems,
are hidden among clean rows: word for word, in lower case, and with words put between theirs; of all of them the
questions, with the last word of the answer alone, with more words put between, with others in the place of some, and in
another order; a hundred items of each world of the proving ground, whose templates are declared, in other words. A row
of the third kind counts where, as told by a plain comparison of lists, a run of 13 words of its item is whole, one of
the three kinds after it where none is. Clean rows are GSM8K's training questions, test questions with other numbers
where no run is whole, and what the worlds' own generators make besides. Then so many made rows against so many items,
timed.
"""

import argparse
import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from tqdm import tqdm

from diagnose.rows.pool import TrainPool
from evals.fixtures.worlds import ASKED_WORLDS
from evals.items import Item, OutputType
from evals.leaks.item_index import ItemIndex, index_items
from evals.leaks.near_copies import NUM_WORDS, normalise
from evals.leaks.templates import make_templates
from interventions.admission.gate import admit, make_gate

HIDDEN = 100
INSERTED = ("really", "then", "also", "perhaps", "now", "quite")
EVERY = 20
"""One word is put in after so many, on average."""
Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entered:
    """Rows that repeat an item and passed the gate nevertheless."""

    kind: str
    num_hidden: int
    num_entered: int


@dataclass(frozen=True, slots=True)
class Clean:
    data: str
    num_rows: int
    num_blocked: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder with gsm8k/ and scan/")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    options = parser.parse_args()
    rng = Random(options.seed)
    items, clean = word_problems(options.root, rng)
    entered, blocked = hide(items, clean, rng)
    of_worlds = [reworded(name, options.seed) for name in ASKED_WORLDS]
    entered.append(
        Entered(
            "other words, template declared",
            sum(e.num_hidden for e, _ in of_worlds),
            sum(e.num_entered for e, _ in of_worlds),
        )
    )
    clean_rows = [*blocked, *scan(options.root), *(c for _, c in of_worlds)]
    seconds = timed(options.rows, options.items, rng)
    if options.json:
        print(
            json.dumps(
                {"entered": [asdict(e) for e in entered], "clean": [asdict(c) for c in clean_rows], "seconds": seconds}
            )
        )
        return
    print("| hidden in the pool | rows | entered |\n|---|---|---|")
    for one in entered:
        print(f"| {one.kind} | {one.num_hidden} | {one.num_entered} |")
    print("\n| clean rows | rows | blocked |\n|---|---|---|")
    for data in clean_rows:
        print(f"| {data.data} | {data.num_rows:,} | {data.num_blocked} ({data.num_blocked / data.num_rows:.2%}) |")
    print(f"\n{options.rows:,} rows against {options.items:,} items: {seconds:.0f} s")


def word_problems(root: Path | None, rng: Random) -> tuple[list[Row], list[Row]]:
    """Questions and answers to evaluate, and others to train on."""
    if root is None:
        made = [made_problem(rng) for _ in range(4_000)]
        return made[:1_000], made[1_000:]
    files = [root / "gsm8k" / f"{part}.jsonl" for part in ("test", "train")]
    if not files[0].is_file():
        raise SystemExit(f"--root must hold gsm8k/, got {root}; see the docstring")
    test, train = ([json.loads(line) for line in file.read_text().splitlines()] for file in files)
    return ([(row["question"], row["answer"]) for row in test], [(row["question"], row["answer"]) for row in train])


def hide(items: Sequence[Row], clean: Sequence[Row], rng: Random) -> tuple[list[Entered], list[Clean]]:
    """Of each kind how many enter, and how many clean rows do not."""
    index = index_items(item("gsm8k", *row) for row in items)
    chosen = rng.sample(items, HIDDEN)
    inserted = [(with_words_between(question, rng), answer) for question, answer in chosen]
    kinds = {
        "word for word": list(chosen),
        "lower case": [(question.lower(), answer.lower()) for question, answer in chosen],
        "words between, a run of 13 is whole": [
            row
            for row, (question, answer) in zip(inserted, chosen, strict=True)
            if shares_a_run(f"{row[0]} {row[1]}", f"{question} {answer}")
        ],
        "a word between every ten, no run is whole": without_runs(items, with_a_word_between_ten, rng),
        "a word in ten is another, no run is whole": without_runs(items, with_a_word_in_ten_another, rng),
        "sentences in another order, no run is whole": without_runs(items, with_another_order, rng),
    }
    entered = [Entered(kind, len(rows), num_admitted(rows, index)) for kind, rows in kinds.items()]
    known = set(items)
    others = {
        "word problems": [row for row in dict.fromkeys(clean) if row not in known],
        "items with other numbers, no run is whole": without_runs(items, with_other_numbers, rng),
    }
    return entered, [Clean(name, len(rows), len(rows) - num_admitted(rows, index)) for name, rows in others.items()]


def scan(root: Path | None) -> list[Clean]:
    """SCAN's training commands against its test items: a closed grammar with long answers (Lake and Baroni 2018)."""
    if root is None or not (root / "scan").is_dir():
        return []
    found = []
    for split in ("simple", "addprim_jump"):
        train, test = (
            [(row["command"], row["actions"]) for row in map(json.loads, file.read_text().splitlines())]
            for file in (root / "scan" / f"{split}_{part}.jsonl" for part in ("train", "test"))
        )
        index = index_items(item("scan", *row) for row in test)
        known = set(test)
        clean = [row for row in dict.fromkeys(train) if row not in known]
        found.append(Clean(f"SCAN {split}", len(clean), len(clean) - num_admitted(clean, index)))
    return found


def reworded(name: str, seed: int) -> tuple[Entered, Clean]:
    """A world's items in other words; and rows that its generators make besides."""
    world = ASKED_WORLDS[name]
    rng = Random(f"{seed}/{name}")
    made: dict[str, str] = {}
    for skill in world.skills:
        while len(made) < 600 * (world.skills.index(skill) + 1):
            exercise = skill.make(rng)
            made.setdefault(exercise.prompt, exercise.completion)
    rows = list(made.items())
    rng.shuffle(rows)
    items, clean = rows[: len(rows) // 3], rows[len(rows) // 3 :]
    templates = make_templates({f"rule_{k}": list(patterns) for k, patterns in enumerate(world.same)})
    index = index_items((item(name, *row) for row in items), templates)
    hidden = [(world.reworded(prompt), completion) for prompt, completion in items[:HIDDEN]]
    return (
        Entered(name, len(hidden), num_admitted(hidden, index)),
        Clean(f"world {name}", len(clean), len(clean) - num_admitted(clean, index)),
    )


def timed(num_rows: int, num_items: int, rng: Random) -> float:
    """Seconds to index the items and to ask every row."""
    problems = [made_problem(rng) for _ in range(num_items)]
    pool = pool_of([made_problem(rng) for _ in tqdm(range(num_rows), desc="rows", disable=None)])
    start = time.perf_counter()
    index = index_items(item("made", *row) for row in problems)
    admitted(pool, index)
    return time.perf_counter() - start


def num_admitted(rows: Sequence[Row], index: ItemIndex) -> int:
    return len(admitted(pool_of(rows), index))


def admitted(pool: TrainPool, index: ItemIndex) -> NDArray[np.int64]:
    """Rows that pass a gate which knows the pool's own lengths and scripts."""
    return admit(pool, np.arange(len(pool), dtype=np.int64), make_gate(pool, index), frozenset()).rows


def pool_of(rows: Sequence[Row]) -> TrainPool:
    columns = {
        "id": [str(k) for k in range(len(rows))],
        "source": ["pool"] * len(rows),
        "prompt": [prompt for prompt, _ in rows],
        "completion": [completion for _, completion in rows],
    }
    return TrainPool(Dataset.from_dict(columns))


def item(task: str, prompt: str, target: str) -> Item:
    return Item(task, prompt, prompt, {}, prompt, target, " ", OutputType.GENERATE_UNTIL)


def with_words_between(text: str, rng: Random) -> str:
    words: list[str] = []
    for word in text.split():
        words += [word, rng.choice(INSERTED)] if rng.random() < 1 / EVERY else [word]
    return " ".join(words)


def without_runs(items: Sequence[Row], change: Callable[[str, Random], str], rng: Random) -> list[Row]:
    """Changed questions, with the last word of the answer, that have no run of 13 words of their item."""
    rows = [(change(question, rng), answer.split()[-1], question) for question, answer in items]
    return [(changed, last) for changed, last, question in rows if not shares_a_run(f"{changed} {last}", question)]


def with_a_word_between_ten(text: str, rng: Random) -> str:
    start = rng.randrange(10)
    return " ".join(
        f"{word} {rng.choice(INSERTED)}" if k % 10 == start else word for k, word in enumerate(text.split())
    )


def with_a_word_in_ten_another(text: str, rng: Random) -> str:
    """Numbers stay."""
    start = rng.randrange(10)
    return " ".join(
        rng.choice(INSERTED) if k % 10 == start and not re.search(r"\d", word) else word
        for k, word in enumerate(text.split())
    )


def with_another_order(text: str, rng: Random) -> str:
    """Of sentences, but the last one."""
    *told, asked = re.split(r"(?<=[.?!])\s+", text)
    rng.shuffle(told)
    return " ".join([*told, asked])


def with_other_numbers(text: str, rng: Random) -> str:
    return re.sub(r"\d+", lambda _: str(rng.randrange(2, 1_000)), text)


def shares_a_run(one: str, other: str) -> bool:
    """Whether a run of 13 words stands in both, told from lists."""
    runs = [set(runs_of(normalise(text).split())) for text in (one, other)]
    return bool(runs[0] & runs[1])


def runs_of(words: Sequence[str]) -> Iterable[tuple[str, ...]]:
    return (tuple(words[k : k + NUM_WORDS]) for k in range(len(words) - NUM_WORDS + 1))


def made_problem(rng: Random) -> Row:
    """Three sentences of thirty words or so; no two alike but by chance."""
    names = [f"n{rng.randrange(5_000)}" for _ in range(6)]
    numbers = [rng.randrange(2, 1_000) for _ in range(4)]
    question = (
        f"{names[0]} has {numbers[0]} {names[1]} and gives {numbers[1]} of them to {names[2]}, who {names[3]} "
        f"{numbers[2]} more. Each {names[4]} costs {numbers[3]} coins. How many {names[5]} are left with {names[0]}?"
    )
    return question, str(sum(numbers))


if __name__ == "__main__":
    main()
