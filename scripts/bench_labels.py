"""What is said of labels where it is known which are wrong, no model trained: python scripts/bench_labels.py TREC CAD

TREC is a folder of question classification (Li and Roth 2002) as JSONL with question, coarse and fine; CAD one of
counterfactually augmented film reviews (Kaushik et al. 2020) with `orig/`, `new/` and `combined/` as TSV with Sentiment
and Text. In each of five drawings of TREC 600 questions are probe items and 1,500 more are set aside; of the others'
labels of questions about people a share is made wrong, at random or all to the same other label. They are asked as the
slice of these questions, as the slice of their answer, as one too narrow and as one too wide. Clean corpora are
drawings of TREC, as they are and with few rows of a class that items have often, three corpora of CAD, worlds of the
proving ground and the starter, each asked slice by slice, and skill by skill where that makes a classification. Fifteen
minutes on one core; `--seeds 1` for a fifth of it.
"""

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from diagnose.evidence.from_rows.label_doubts import are_labels
from diagnose.evidence.from_rows.labels import SliceLabels, slice_labels
from diagnose.rows.pool import TrainPool
from diagnose.slices.predicate import PROMPT_CONTAINS, PROMPT_WORDS, Slice, item_members
from diagnose.slices.tags import GOLD_ANSWER
from evals.fixtures.starter import starter
from evals.fixtures.worlds import ASKED_WORLDS
from evals.items import Item, OutputType

SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
TARGET, STEADY = "HUM", "LOC"
NUM_ITEMS, NUM_ASIDE = 600, 2100
FEW = (12, 24, 96)
"""Rows of a class that is rare in the corpus and not among the items."""
ASKED = {
    "the slice": Slice((("class", TARGET),)),
    "its answer": Slice(((GOLD_ANSWER, TARGET),)),
    "too narrow": Slice(((PROMPT_CONTAINS, "Who"),)),
    "too wide": Slice((("group", "people and places"),)),
}

Row = dict[str, str]
"""prompt, completion and fields."""


@dataclass(frozen=True, slots=True)
class Told:
    """One slice asked, beside the truth."""

    wrong: float
    """Share of its labels that is said to be wrong at least."""
    denied: float
    num_leave: int
    num_leave_wrong: int
    num_planted: int
    num_new: int
    num_new_right: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trec", type=Path)
    parser.add_argument("cad", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    print("| asked by | kind | wrong | denied | shown to be wrong (lowest, highest) | leave | of them wrong |", end=" ")
    print("of the wrong | relabelled | rightly |\n|---|---|---|---|---|---|---|---|---|---|")
    for name, where in ASKED.items():
        for kind in ("random", "steady"):
            for share in SHARES if kind == "random" else SHARES[1:]:
                found = [mislabelled(options.trec, seed, where, share, kind) for seed in range(options.seeds)]
                print(f"| {name} | {kind if share else 'clean'} | {share:.0%} | {told(found)} |", flush=True)
    print("\n| clean corpora | slices asked | shown to be wrong, highest | leave | relabelled |\n|---|---|---|---|---|")
    for name, corpora in clean(options.trec, options.cad, options.seeds).items():
        answers = [one for corpus in corpora for one in ask_all(corpus)]
        leave, new = sum(len(one.leaves) for one in answers), sum(len(one.new_labels) for one in answers)
        most = max((one.denied.wrong for one in answers), default=0.0)
        print(f"| {name}: {len(corpora)} | {len(answers)} | {most:.3f} | {leave} | {new} |", flush=True)


def told(found: Sequence[Told]) -> str:
    """Cells of a row of the table; shares are of all seeds together."""
    wrong = [one.wrong for one in found]
    leave, right, new = (sum(getattr(one, key) for one in found) for key in ("num_leave", "num_leave_wrong", "num_new"))
    planted, right_new = sum(one.num_planted for one in found), sum(one.num_new_right for one in found)
    cells = [
        f"{np.mean([one.denied for one in found]):.3f}",
        f"{np.mean(wrong):.3f} ({min(wrong):.3f}, {max(wrong):.3f})",
        f"{leave} in {sum(one.num_leave > 0 for one in found)} of {len(found)}",
        f"{right / leave:.3f}" if leave else "",
        f"{right / planted:.2f}" if leave and planted else "",
        f"{new} in {sum(one.num_new > 0 for one in found)} of {len(found)}",
        f"{right_new / new:.3f}" if new else "",
    ]
    return " | ".join(cells)


def mislabelled(root: Path, seed: int, where: Slice, share: float, kind: str) -> Told:
    """A share of the labels of questions about people is wrong."""
    train, items = trec(root, seed)
    rng = Random(seed)
    own = [k for k, row in enumerate(train) if row["class"] == TARGET]
    planted = set(rng.sample(own, round(share * len(own))))
    others = sorted({row["completion"] for row in train} - {TARGET})
    given = [
        row | {"completion": STEADY if kind == "steady" else rng.choice(others)} if k in planted else row
        for k, row in enumerate(train)
    ]
    found = asked(given, items, where)
    assert found is not None, "questions of every class are among the items"
    leaves = found.leaves.tolist()
    return Told(
        wrong=found.denied.wrong,
        denied=found.denied.rows,
        num_leave=len(leaves),
        num_leave_wrong=len(planted & set(leaves)),
        num_planted=len(planted),
        num_new=len(found.new_labels),
        num_new_right=sum(train[k]["completion"] == label for k, label in found.new_labels.items()),
    )


def trec(root: Path, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows and probe items, each question once."""
    lines = [json.loads(line) for line in (root / "train.jsonl").read_text().splitlines()]
    rows = [
        {
            "prompt": row["question"],
            "completion": row["coarse"],
            "class": row["coarse"],
            "group": "people and places" if row["coarse"] in (TARGET, STEADY) else "others",
        }
        for row in lines
    ]
    rows = list({row["prompt"]: row for row in rows}.values())
    Random(seed).shuffle(rows)
    return rows[NUM_ASIDE:], rows[:NUM_ITEMS]


@dataclass(frozen=True, slots=True)
class Corpus:
    train: Sequence[Row]
    items: Sequence[Row]
    slices: Sequence[Slice]
    """That are asked."""


def clean(trec_root: Path, cad_root: Path, num_seeds: int) -> dict[str, list[Corpus]]:
    """By name, with right labels; those of a world and of the starter also skill by skill."""
    classes = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
    by_class = [Slice(((key, name),)) for key in ("class", GOLD_ANSWER) for name in classes]
    by_word = [Slice(((PROMPT_CONTAINS, word),)) for word in ("What", "How", "Who", "in the")]
    drawn = {"trec_qc": [Corpus(*trec(trec_root, seed), [*by_class, *by_word]) for seed in range(num_seeds)]}
    drawn["trec_qc, one class rare"] = [
        Corpus(with_few(train, name, few), items, [*by_class, *by_word])
        for train, items in (trec(trec_root, seed) for seed in range(num_seeds))
        for name in ("HUM", "NUM")
        for few in FEW
    ]
    drawn["CAD sentiment"] = [
        Corpus(reviews(cad_root / part / "train.tsv"), reviews(cad_root / part / "dev.tsv"), review_slices())
        for part in ("orig", "new", "combined")
    ]
    # One form of reviews trained on, the other asked: what a corpus without edits is like for edited items.
    orig, new = reviews(cad_root / "orig" / "train.tsv"), reviews(cad_root / "new" / "dev.tsv")
    drawn["CAD sentiment, other form asked"] = [Corpus(orig, new, review_slices())]
    for name in ASKED_WORLDS:
        drawn[f"world {name}"] = [one for seed in range(num_seeds) for one in by_skill(*exercises(name, seed))]
    drawn["starter"] = [one for seed in range(num_seeds) for one in by_skill(*started(seed))]
    return drawn


def with_few(rows: Sequence[Row], name: str, few: int) -> list[Row]:
    """The rows with only the first few of one class."""
    own = [k for k, row in enumerate(rows) if row["class"] == name]
    dropped = set(own[few:])
    return [row for k, row in enumerate(rows) if k not in dropped]


def review_slices() -> list[Slice]:
    words = [Slice(((PROMPT_CONTAINS, word),)) for word in ("not", "movie", "the film", "the worst", "I")]
    lengths = [Slice(((PROMPT_WORDS, length),)) for length in ("1 to 120", "121 to 1000")]
    return [*words, *lengths, *(Slice(((GOLD_ANSWER, label),)) for label in ("Positive", "Negative")), Slice(())]


def reviews(path: Path) -> list[Row]:
    with path.open(newline="") as lines:
        return [
            {"prompt": line["Text"], "completion": line["Sentiment"]} for line in csv.DictReader(lines, delimiter="\t")
        ]


def exercises(name: str, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows and items of a world's skills."""
    train, items = [], []
    for skill in ASKED_WORLDS[name].skills:
        rng = Random(f"{seed}/{skill.name}")
        made = [skill.make(rng) for _ in range(skill.train + 200)]
        rows = [{"prompt": one.prompt, "completion": one.completion, "skill": skill.name} for one in made]
        train += rows[200:]
        items += rows[:200]
    return train, items


def started(seed: int) -> tuple[list[Row], list[Row]]:
    made = starter(seed)
    return list(made.train), [row for task, rows in made.items.items() if task != "starter_others" for row in rows]


def by_skill(train: Sequence[Row], items: Sequence[Row]) -> Iterator[Corpus]:
    """All together, and each skill alone that is a classification, asked by prompts of its first words."""
    skills = list(dict.fromkeys(row["skill"] for row in train))
    yield Corpus(train, items, [Slice((("skill", skill),)) for skill in skills])
    for skill in skills:
        own = [row for row in train if row["skill"] == skill]
        if are_labels([row["completion"] for row in own]):
            labels = dict.fromkeys(row["completion"] for row in own)
            asked_of = [Slice(((GOLD_ANSWER, label),)) for label in list(labels)[:6]]
            yield Corpus(own, [row for row in items if row["skill"] == skill], [Slice(()), *asked_of])


def ask_all(corpus: Corpus) -> Iterator[SliceLabels]:
    for where in corpus.slices:
        found = asked(corpus.train, corpus.items, where)
        if found is not None:
            yield found


def asked(train: Sequence[Row], items: Sequence[Row], where: Slice) -> SliceLabels | None:
    columns = {key: [row[key] for row in train] for key in train[0]}
    rows = Dataset.from_dict({**columns, "id": [str(k) for k in range(len(train))], "source": ["train"] * len(train)})
    fields = [
        Item("task", str(k), str(k), dict(row), row["prompt"], row["completion"], " ", OutputType.GENERATE_UNTIL)
        for k, row in enumerate(items)
    ]
    failing: NDArray[np.bool_] = item_members(where, fields)
    return slice_labels(TrainPool(rows), fields, failing, where)


if __name__ == "__main__":
    main()
