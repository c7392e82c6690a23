"""A corpus whose skills are taught by one slice each, and tasks for two of them."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import yaml

LETTERS = "abcdefghij"
SKILLS = ("jump", "look", "run", "walk")
"""Each answers with words of its own, so that nothing else in the corpus teaches it."""
TASKS = ("jump", "run")


def write_toy(folder: Path) -> list[str]:
    """Four skills, some letter pairs of each in the corpus and the others of two of them asked; settings."""
    rng = np.random.default_rng(0)
    rows, tasks = [], folder / "tasks"
    tasks.mkdir()
    pairs = list(product(LETTERS, LETTERS))
    for skill in SKILLS:
        examples = [
            {"prompt": f"{skill} {x} {y}", "completion": f"{skill}_{x} {skill}_{y}", "skill": skill}
            for x, y in (pairs[k] for k in rng.permutation(len(pairs)).tolist())
        ]
        rows += examples[:40]
        if skill in TASKS:
            data = tasks / f"{skill}.jsonl"
            data.write_text("".join(json.dumps(example) + "\n" for example in examples[40:]))
            task = {
                "task": f"toy_{skill}",
                "dataset_path": "json",
                "dataset_kwargs": {"data_files": {"test": str(data)}},
                "test_split": "test",
                "output_type": "loglikelihood",
                "doc_to_text": "{{prompt}}",
                "doc_to_target": "{{completion}}",
                "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
            }
            (tasks / f"toy_{skill}.yaml").write_text(yaml.safe_dump(task))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return [
        f"corpus.train={folder / 'rows.jsonl'}",
        "corpus.slices=[skill]",
        f"evals.tasks=[{','.join(f'toy_{skill}' for skill in TASKS)}]",
        f"evals.include_path={tasks}",
        "model.tokenizer=word",
        "model.arch={hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2}",
        "train.max_steps=30",
        "train.max_length=16",
        "diagnose.min_items=10",
        "diagnose.fidelity_parts=4",
        "diagnose.fidelity_seeds=1",
        f"run_dir={folder / 'run'}",
    ]
