"""A small task for each way in which lm-eval asks a model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

ANIMALS = ["cat", "dog", "cow", "hen", "pig", "fox", "owl", "bee"]
DOCUMENTS = [
    {"id": i, "question": f"{a} sees {b} {c}", "choices": [a, b, c], "gold": i % 3, "answer": b}
    for i, (a, b, c) in enumerate((a, b, c) for a in ANIMALS for b in ANIMALS for c in ANIMALS if a < b < c)
]
SETTINGS: dict[str, dict[str, Any]] = {
    "choose": {
        "output_type": "multiple_choice",
        "doc_to_text": "Q: {{question}} A:",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [
            {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
            {"metric": "acc_norm", "aggregation": "mean", "higher_is_better": True},
        ],
    },
    "write": {
        "output_type": "generate_until",
        "doc_to_text": "Q: {{question}} A:",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
        "filter_list": [
            {
                "name": "first",
                "filter": [{"function": "regex", "regex_pattern": "^(\\w+)"}, {"function": "take_first"}],
            },
            {"name": "all", "filter": [{"function": "take_first"}]},
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    },
    "complete": {
        "output_type": "loglikelihood",
        "doc_to_text": "Q: {{question}} A:",
        "doc_to_target": " {{answer}} sees",
        "metric_list": [
            {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
            {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        ],
    },
    "read": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{question}} and {{answer}}",
        "metric_list": [{"metric": "word_perplexity"}, {"metric": "bits_per_byte"}],
    },
}  # fmt: skip
WORDS = ["Q: A: and sees", *ANIMALS]
"""Every word of the tasks."""


def write_four_tasks(task_dir: Callable[..., Path]) -> str:
    """Write the tasks by the fixture `task_dir`; their folder."""
    for task, settings in SETTINGS.items():
        folder = task_dir(task, DOCUMENTS, settings)
    return str(folder)
