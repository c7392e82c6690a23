"""Rewordings that others wrote: how many are told, and how many rows that ask something else are told with them.

    python scripts/bench_rewordings.py --root ../shared/data [--picture docs/rewordings.png]

GPT-4's rewordings (Yang et al. 2023, arXiv 2311.04850) of GSM8K, HumanEval in Python and JavaScript, MMLU's US history;
people's minimal edits that turn a film review (Kaushik et al. 2020, arXiv 1909.12434), and sets that hold no rewording.
Clean rows are the training rows where there are any. Elsewhere the items are halved: each half is asked about the other
one and its rewordings. The bound is never set: each task's items set their own, and the curve is what would be told at
multiples of it.
"""

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from evals.leaks.near_copies import ItemText
from evals.leaks.rewordings import make_rewordings

Row = tuple[str, str]
"""Prompt and completion; the prompt of plain text is empty."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    items: list[Row]
    reworded: list[Row]
    clean: list[Row]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Multiples of the bound that rows reach."""

    name: str
    num_items: int
    reworded: NDArray[np.float64]
    clean: NDArray[np.float64]

    def told_at(self, share: float) -> float:
        """Share of the rewordings that are told where so many of the clean rows are."""
        bound = np.sort(self.clean)[::-1][int(share * len(self.clean))]
        return float((self.reworded > bound).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="a folder with gsm8k/, humaneval/, ... and external/")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    curves: dict[str, Curve] = {}
    for case in cases(options.root):
        curve = measured(case)
        if case.name in curves:  # the other half
            first = curves[case.name]
            curve = Curve(
                case.name,
                first.num_items + curve.num_items,
                np.concatenate([first.reworded, curve.reworded]),
                np.concatenate([first.clean, curve.clean]),
            )
        curves[case.name] = curve
    print("| items | number | reworded | told | clean rows | told | told at .1 % | at 1 % of the clean rows |")
    print("|---|---|---|---|---|---|---|---|")
    for curve in curves.values():
        if len(curve.reworded):
            told = [f"{x:.3f}" for x in ((curve.reworded > 1).mean(), curve.told_at(0.001), curve.told_at(0.01))]
        else:
            told = ["", "", ""]
        num_told = int((curve.clean > 1).sum())
        print(
            f"| {curve.name} | {curve.num_items:,} | {len(curve.reworded) or ''} | {told[0]} | {len(curve.clean):,} | "
            f"{num_told} ({num_told / len(curve.clean):.2%}) | {told[1]} | {told[2]} |"
        )
    if options.picture:
        draw([curve for curve in curves.values() if len(curve.reworded)], options.picture)


def measured(case: Case) -> Curve:
    rewordings = make_rewordings([ItemText("task", text, target, "") for text, target in case.items])

    def strength(rows: list[Row]) -> NDArray[np.float64]:
        is_plain = np.array([not prompt for prompt, _ in rows], np.bool_)
        return rewordings.strength([prompt or completion for prompt, completion in rows], is_plain)

    return Curve(case.name, len(case.items), strength(case.reworded), strength(case.clean))


def cases(root: Path) -> list[Case]:
    gsm8k = [(row["question"], row["answer"]) for row in lines(root / "gsm8k" / "test.jsonl")]
    trained = [(row["question"], row["answer"]) for row in lines(root / "gsm8k" / "train.jsonl")]
    other_words = [row["text"] for row in lines(root / "external" / "reworded" / "gsm8k.jsonl")]
    reviews = root / "external" / "cad_sentiment"
    trec = [
        [(row["question"], row["coarse"]) for row in lines(root / "trec_qc" / f"{p}.jsonl")] for p in ("test", "train")
    ]
    math = [(row["question"], row["answer"]) for row in lines(root / "external" / "evaltree_math" / "problems.jsonl")]
    return [
        Case("GSM8K", gsm8k, [parted(text) for text in other_words], trained),
        Case(
            "GSM8K, plain text",
            gsm8k,
            [("", text) for text in other_words],
            [("", f"Question: {p}\nAnswer: {c}") for p, c in trained],
        ),
        *code(root),
        *history(root),
        Case(
            "CAD reviews, edited",
            table(reviews / "orig" / "test.tsv"),
            table(reviews / "new" / "test.tsv"),
            [*table(reviews / "orig" / "train.tsv"), *table(reviews / "new" / "train.tsv")],
        ),
        Case("TREC", trec[0], [], trec[1]),
        *(Case("MATH, halves", math[k::2], [], math[1 - k :: 2]) for k in (0, 1)),
    ]


def code(root: Path) -> list[Case]:
    """HumanEval."""
    items = [(row["prompt"], row["canonical_solution"]) for row in lines(root / "humaneval" / "HumanEval.jsonl")]
    told = {
        name: [("", row["text"]) for row in lines(root / "external" / "reworded" / f"humaneval_{name}.jsonl")]
        for name in ("python", "js")
    }
    return [
        Case(
            f"HumanEval, {name}",
            items[half::2],
            rows[half::2],
            [*items[1 - half :: 2], *(row for others in told.values() for row in others[1 - half :: 2])],
        )
        for name, rows in told.items()
        for half in (0, 1)
    ]


def history(root: Path) -> list[Case]:
    """MMLU's US history: question after a passage, with options, in other words without the passage."""
    folder = root / "external" / "reworded"
    with (folder / "high_school_us_history_test.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    name = "high_school_us_history_test_rephrase_english_filtered_question.jsonl"
    words = [row["text"].strip() for row in lines(folder / name)]
    given = ["\n".join(f"{letter}. {text}" for letter, text in zip("ABCD", row[1:5], strict=True)) for row in rows]
    items = [(f"{row[0].strip()}\n{options}\nAnswer:", row[5]) for row, options in zip(rows, given, strict=True)]
    whole = [(f"{text}\n{options}\nAnswer:", row[5]) for text, options, row in zip(words, given, rows, strict=True)]
    alone = [(text, row[5]) for text, row in zip(words, rows, strict=True)]
    other_subjects = [
        (
            row["question"] + "\n" + "\n".join(f"{c}. {t}" for c, t in zip("ABCD", row["choices"], strict=True)),
            row["answer"],
        )
        for row in lines(root / "external" / "mmlu_redux" / "items.jsonl")
        if row["subject"] != "high_school_us_history"
    ]
    is_told = [bool(text) for text in words]
    return [
        Case(
            name,
            items[half::2],
            picked(reworded, is_told, half),
            [*items[1 - half :: 2], *picked(reworded, is_told, 1 - half), *other_subjects],
        )
        for name, reworded in (("MMLU US history, with options", whole), ("MMLU US history, without", alone))
        for half in (0, 1)
    ]


def picked(rows: list[Row], is_told: list[bool], half: int) -> list[Row]:
    return [row for row, told in zip(rows[half::2], is_told[half::2], strict=True) if told]


def parted(text: str) -> Row:
    question, answer = text.removeprefix("Question: ").split("\nAnswer:")
    return question, answer.strip()


def lines(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise SystemExit(f"--root must hold {path.name} in {path.parent}; see the docstring")
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def table(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return [(row["Text"], row["Sentiment"]) for row in csv.DictReader(file, delimiter="\t")]


def draw(curves: list[Curve], path: Path) -> None:
    """Told against falsely told, a point where the items' own bound lies."""
    figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
    for curve in curves:
        bounds = np.geomspace(8, 0.02, 200)
        least = 0.5 / len(curve.clean)
        false = np.array([max((curve.clean > bound).mean(), least) for bound in bounds])
        told = np.array([(curve.reworded > bound).mean() for bound in bounds])
        (line,) = axes.plot(false, told, label=curve.name)
        axes.plot(max((curve.clean > 1).mean(), least), (curve.reworded > 1).mean(), "o", color=line.get_color())
    axes.axvline(0.001, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xscale="log", xlim=(5e-5, 1), ylim=(0, 1.02), xlabel="share of clean rows told", ylabel="rewordings told")
    axes.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
