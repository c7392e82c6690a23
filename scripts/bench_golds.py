"""How well several models' answers tell which golds of MMLU are wrong, as people judged them again.

    python scripts/bench_golds.py FOLDER              FOLDER holds MMLU-Redux: items.jsonl and model_answers.csv
    python scripts/bench_golds.py FOLDER --write DIR  writes each model's answers as logs that evals.samples reads

People's judgements are used for scoring alone. Ties of a rule are broken at random, many times: an order of subjects
that happens to put some first would flatter it.
"""

import argparse
import ast
import csv
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diagnose.evidence.golds.doubts import doubt_golds
from diagnose.evidence.golds.votes import AskedItem
from evals.items import ItemKey

WRONG = "wrong_groundtruth"
LETTERS = "ABCD"
RECALLS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
NUM_DRAWS = 200


def load(folder: Path) -> tuple[list[dict[str, Any]], dict[str, list[str | None]]]:
    """Items with people's judgements, and the answers of each model in the same order; items that have no line in the
    table of answers are left out."""
    items = [json.loads(line) for line in (folder / "items.jsonl").read_text().split("\n") if line]
    with (folder / "model_answers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    of_item = defaultdict(list)
    for row in rows:
        key = (row["question"].strip(), tuple(ast.literal_eval(row["choices"])), row["groundtruth_answer"])
        of_item[key].append(row)
    models = [name for name in rows[0] if name not in ("question", "choices", "groundtruth_answer", "error_type")]
    kept: list[dict[str, Any]] = []
    answers: dict[str, list[str | None]] = {name: [] for name in models}
    for item in items:
        found = of_item[item["question"].strip(), tuple(item["choices"]), item["answer"]]
        if not found:
            continue
        row = found.pop(0)
        kept.append(item)
        for name in models:
            place = LETTERS.find(row[name]) if len(row[name]) == 1 else -1
            answers[name].append(item["choices"][place] if place >= 0 else None)
    return kept, answers


def curve(scores: NDArray[np.float64], wrong: NDArray[np.bool_]) -> dict[str, float]:
    """Average precision, and precision at each recall, over random orders of ties."""
    rng = np.random.default_rng(0)
    found = defaultdict(list)
    for _ in range(NUM_DRAWS):
        order = np.lexsort((rng.random(len(scores)), -np.round(scores, 9)))
        hits = np.cumsum(wrong[order])
        precision = hits / np.arange(1, len(order) + 1)
        found["average precision"].append(float(precision[wrong[order]].mean()))
        for recall in RECALLS:
            found[f"precision at recall {recall}"].append(float(precision[np.argmax(hits >= recall * wrong.sum())]))
    return {name: float(np.mean(values)) for name, values in found.items()}


def write_logs(items: Sequence[dict[str, Any]], answers: dict[str, list[str | None]], folder: Path) -> None:
    """Write the answers of each model in the schema of Every Eval Ever, a folder for each."""
    for name, given in answers.items():
        rows = [
            {
                "model_id": name,
                "evaluation_name": "mmlu",
                "evaluation_result_id": "accuracy",
                "sample_id": str(number),
                "interaction_type": "single_turn",
                "input": {
                    "raw": item["question"],
                    "choices": item["choices"],
                    "reference": [item["choices"][int(item["answer"])]],
                },
                "output": {"raw": [answer or ""]},
                "answer_attribution": [{"extracted_value": answer or "", "is_terminal": True}],
                "evaluation": {"score": float(answer == item["choices"][int(item["answer"])])},
                "metadata": {"subject": item["subject"]},
            }
            for number, (item, answer) in enumerate(zip(items, given, strict=True))
        ]
        whole = {
            "model_info": {"id": name},
            "evaluation_results": [{"evaluation_result_id": "accuracy", "metric_config": {"metric_id": "accuracy"}}],
            "detailed_evaluation_results": {"total_rows": len(rows)},
        }
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "mmlu.json").write_text(json.dumps(whole))
        (place / "mmlu_samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    items, answers = load(given.folder)
    if given.write is not None:
        write_logs(items, answers, given.write)
        sys.stdout.write(f"{given.write}: {len(items)} items of {len(answers)} models\n")
        return
    keys = [ItemKey("mmlu", str(number)) for number in range(len(items))]
    golds = [item["choices"][int(item["answer"])] for item in items]
    asked = [
        AskedItem(key, gold, tuple(item["choices"]), item["subject"])
        for key, gold, item in zip(keys, golds, items, strict=True)
    ]
    found = doubt_golds(
        asked,
        {
            name: {key: answer for key, answer in zip(keys, said, strict=True) if answer is not None}
            for name, said in answers.items()
        },
    )
    place = {key: number for number, key in enumerate(keys)}
    fitted = np.zeros(len(items))
    for doubt in found.doubts:
        fitted[place[doubt.key]] = doubt.probability
    largest, margin = np.zeros(len(items)), np.zeros(len(items))
    for number, item in enumerate(items):
        counts = [sum(said[number] == choice for said in answers.values()) for choice in item["choices"]]
        gold = counts.pop(int(item["answer"]))
        largest[number], margin[number] = max(counts), max(counts) - gold
    wrong = np.array([item["error_type"] == WRONG for item in items])
    sys.stdout.write(
        f"{len(items)} items of {len({item['subject'] for item in items})} subjects, {len(answers)} models, "
        f"{wrong.sum()} wrong golds by people; {found.expected:.0f} expected, {len(found.doubts)} doubted\n"
    )
    for name, scores in (("largest other answer", largest), ("its lead", margin), ("evalmend", fitted)):
        points = ", ".join(f"{key} {value:.2f}" for key, value in curve(scores, wrong).items())
        sys.stdout.write(f"{name}: {points}\n")
    for least in (0.9, 0.5):
        sure = [doubt for doubt in found.doubts if doubt.probability >= least]
        by_people = sum(bool(wrong[place[doubt.key]]) for doubt in sure)
        told = sum(doubt.probability for doubt in sure)
        sys.stdout.write(
            f"probability {least} and more: {len(sure)} items, {told:.0f} expected wrong, {by_people} wrong by people\n"
        )
    is_right = [items[place[d.key]]["choices"].index(d.suggested_gold) for d in found.doubts if wrong[place[d.key]]]
    told_right = [items[place[d.key]]["correct_answer"] for d in found.doubts if wrong[place[d.key]]]
    agree = [
        str(place_) == right or LETTERS[place_] == right for place_, right in zip(is_right, told_right, strict=True)
    ]
    sys.stdout.write(f"of {len(agree)} wrong golds among the doubted, the suggested one is people's in {sum(agree)}\n")
    sys.stdout.write("people on the first 40: ")
    first = [items[place[d.key]]["error_type"] for d in found.doubts[:40]]
    sys.stdout.write(", ".join(f"{kind} {first.count(kind)}" for kind in dict.fromkeys(first)) + "\n")


if __name__ == "__main__":
    main()
