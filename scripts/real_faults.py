"""Real data with planted faults: SCAN (Lake and Baroni 2018) and question classification (Li and Roth 2002).

`CASES` are what `scripts/real_cases.py` diagnoses and holds against the truth.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

Row = dict[str, str]

MOST_ACTIONS = 24
SEED = 7
TREC_STEPS = ("train.max_steps=400",)
CLASS_NAMES = {
    "HUM": "person",
    "LOC": "place",
    "NUM": "number",
    "DESC": "description",
    "ENTY": "thing",
    "ABBR": "short",
}


@dataclass(frozen=True, slots=True)
class Ground:
    """What is written for one case."""

    train: Sequence[Row]
    items: Sequence[Row]
    """prompt and completion, and fields."""
    overrides: Sequence[str]
    causes: Sequence[str]
    """Any of which may be named first."""
    wrong_items: frozenset[str] = frozenset()
    """Prompts of items whose gold was changed."""
    wrong_rows: frozenset[int] = frozenset()
    """Numbers of training rows whose label was changed."""
    copies: int = 0
    """Rows that repeat an item, or each other."""
    doc_to_text: str = "{{prompt}}"
    choices: Sequence[str] = ()
    """Answers that the items offer; none where the model writes its own."""
    pool: Sequence[Row] = ()
    """Rows that a fix may add."""


def scan_wrong_gold(root: Path) -> Ground:
    """One in five golds of items with `walk` is that of another item."""
    train, items = scan(root)
    rng = Random(SEED)
    walk = [row for row in items if "walk" in row["prompt"].split()]
    chosen = rng.sample(walk, round(0.2 * len(walk)))
    for row in chosen:
        right = row["completion"]
        while row["completion"] == right:
            row["completion"] = rng.choice(walk)["completion"]
    wrong = frozenset(row["prompt"] for row in chosen)
    return Ground(train, items, ["train.max_steps=600"], ["wrong_gold"], wrong_items=wrong)


def scan_arrow(root: Path) -> Ground:
    """Training prompts end in one arrow, the evaluation's in another."""
    train, items = scan(root)
    train = [row | {"prompt": f"{row['prompt']} =>"} for row in train]
    return Ground(train, items, ["train.max_steps=600"], ["format"], doc_to_text="{{prompt}} ->")


def scan_alphabet(root: Path) -> Ground:
    """Training answers are written in other words than the evaluation's."""
    train, items = scan(root)
    train = [row | {"completion": " ".join(f"I_{word}" for word in row["completion"].split())} for row in train]
    return Ground(train, items, ["train.max_steps=600"], ["format"])


def scan_overlap(root: Path) -> Ground:
    """A hundred items stand in the corpus."""
    train, items = scan(root)
    chosen = Random(SEED).sample(items, 100)
    train = [*train, *(dict(row) for row in chosen)]
    Random(SEED).shuffle(train)
    return Ground(train, items, ["train.max_steps=600"], ["contamination"], copies=100)


def scan_addprim_jump(root: Path) -> Ground:
    """`jump` is never composed in training, and stands there alone 1,467 times."""
    train, items = scan(root, "addprim_jump")
    copies = Counter(row["prompt"] for row in train)["jump"]
    causes = ["missing_data", "shortcut", "duplicates"]
    return Ground(train, Random(SEED).sample(items, 1500), ["train.max_steps=600"], causes, copies=copies)


def trec_wrong_labels(root: Path) -> Ground:
    """Two in five training questions about humans have another class's label."""
    return _mislabelled(*trec(root))


def trec_choice(root: Path) -> Ground:
    """As trec_wrong_labels, the six labels given as choices."""
    ground = _mislabelled(*trec(root))
    return replace(ground, choices=sorted({row["completion"] for row in ground.items}))


def _mislabelled(train: list[Row], items: list[Row]) -> Ground:
    rng = Random(SEED)
    own = [k for k, row in enumerate(train) if row["completion"] == "HUM"]
    wrong = frozenset(rng.sample(own, round(0.4 * len(own))))
    others = sorted({row["completion"] for row in train} - {"HUM"})
    train = [row | {"completion": rng.choice(others)} if k in wrong else row for k, row in enumerate(train)]
    return Ground(train, items, TREC_STEPS, ["wrong_labels"], wrong_rows=wrong)


def trec_wrong_gold(root: Path) -> Ground:
    """Two in five golds of questions about numbers are another class."""
    train, items = trec(root)
    rng = Random(SEED)
    own = [k for k, row in enumerate(items) if row["completion"] == "NUM"]
    wrong = frozenset(rng.sample(own, round(0.4 * len(own))))
    others = sorted({row["completion"] for row in train} - {"NUM"})
    items = [row | {"completion": rng.choice(others)} if k in wrong else row for k, row in enumerate(items)]
    prompts = frozenset(items[k]["prompt"] for k in wrong)
    return Ground(train, items, TREC_STEPS, ["wrong_gold"], wrong_items=prompts)


def trec_names(root: Path) -> Ground:
    """Training answers are classes in words, the evaluation's are abbreviations."""
    train, items = trec(root)
    train = [row | {"completion": CLASS_NAMES[row["completion"]]} for row in train]
    return Ground(train, items, TREC_STEPS, ["format"])


def trec_missing_class(root: Path) -> Ground:
    """Of questions about places twelve are left in training; the others and 600 more of any kind are in the pool."""
    train, items = trec(root)
    own = {k for k, row in enumerate(train) if row["completion"] == "LOC"}
    starved = set(sorted(own)[12:]) | set(range(600)) - own
    pool = [row for k, row in enumerate(train) if k in starved]
    left = [row for k, row in enumerate(train) if k not in starved]
    return Ground(left, items, TREC_STEPS, ["missing_data"], pool=pool)


def trec_half_trained(root: Path) -> Ground:
    """Training ends before the loss has come down; no label is wrong, and there are 600 more rows in the pool."""
    train, items = trec(root)
    steps = ["train.max_steps=40", "train.learning_rate=5e-4", "train.update.max_steps=200"]
    return Ground(train[600:], items, steps, ["training_setup"], pool=train[:600])


def trec_plain(root: Path) -> Ground:
    """Nothing is planted; what fails are classes that are hard to tell with so few rows."""
    train, items = trec(root)
    return Ground(train, items, TREC_STEPS, ["unknown", "missing_data", "capacity"])


def trec_overlap(root: Path) -> Ground:
    """A hundred items stand in the corpus."""
    train, items = trec(root)
    train = [*train, *(dict(row) for row in Random(SEED).sample(items, 100))]
    Random(SEED).shuffle(train)
    return Ground(train, items, TREC_STEPS, ["contamination"], copies=100)


def trec_shortcut(root: Path) -> Ground:
    """Half of the training questions show their label, the items about numbers show another one."""
    train, items = trec(root)
    rng = Random(SEED)
    labels = sorted({row["completion"] for row in train})

    def shown(row: Row, label: str) -> Row:
        return row | {"prompt": f"{row['prompt']} ( {label} )"}

    train = [shown(row, row["completion"]) if rng.random() < 0.5 else row for row in train]
    others = {label: [one for one in labels if one != label] for label in labels}
    items = [shown(r, rng.choice(others[r["completion"]])) if r["completion"] == "NUM" else r for r in items]
    return Ground(train, items, TREC_STEPS, ["shortcut"])


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def scan(root: Path, split: str = "simple") -> tuple[list[Row], list[Row]]:
    train, test = (
        [
            {"prompt": row["command"], "completion": row["actions"]}
            for row in read(root / "scan" / f"{split}_{half}.jsonl")
            if len(row["actions"].split()) <= MOST_ACTIONS
        ]
        for half in ("train", "test")
    )
    return train, test


def trec(root: Path) -> tuple[list[Row], list[Row]]:
    """Fifteen hundred questions of the training half are asked, the others are trained on; each question once."""
    rows = [{"prompt": row["question"], "completion": row["coarse"]} for row in read(root / "trec_qc" / "train.jsonl")]
    rows = list({row["prompt"]: row for row in rows}.values())
    Random(SEED).shuffle(rows)
    return rows[1500:], rows[:1500]


CASES: Mapping[str, Callable[[Path], Ground]] = {
    make.__name__: make
    for make in (
        scan_wrong_gold,
        scan_arrow,
        scan_alphabet,
        scan_overlap,
        scan_addprim_jump,
        trec_wrong_labels,
        trec_choice,
        trec_wrong_gold,
        trec_names,
        trec_missing_class,
        trec_half_trained,
        trec_plain,
        trec_overlap,
        trec_shortcut,
    )
}
