"""Write `diagnose/mode_examples.jsonl`, labelled failures from templates of our own.

    python scripts/make_mode_examples.py

The same rows each time; `scripts/fit_modes.py` then fits the classifier of failure modes on them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from random import Random

from mode_templates.failure import Template
from mode_templates.knowledge import KNOWLEDGE
from mode_templates.reasoning import REASONING
from mode_templates.surface import FORMAT, REFUSAL, REPETITION, TRUNCATED
from mode_templates.undecided import UNDECIDED

EXAMPLES = Path(__file__).parents[1] / "diagnose" / "modes" / "examples.jsonl"
TEMPLATES: Mapping[str, Mapping[str, Template]] = {
    "format": FORMAT,
    "truncated": TRUNCATED,
    "repetition": REPETITION,
    "refusal": REFUSAL,
    "reasoning": REASONING,
    "knowledge": KNOWLEDGE,
    "wrong": UNDECIDED,
}
_NUM_ROWS = {
    "format": 14, "truncated": 14, "repetition": 7, "refusal": 9, "reasoning": 11, "knowledge": 8, "wrong": 11,
}  # fmt: skip
"""Of each template."""


def examples_text() -> str:
    """The rows as they stand in the file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows())


def _rows() -> Iterator[dict[str, str]]:
    for mode, templates in TEMPLATES.items():
        for name, make in templates.items():
            rng = Random(f"{mode}/{name}")
            for _ in range(_NUM_ROWS[mode]):
                row = asdict(make(rng))
                if row["output_type"] == "generate_until":  # what a reader takes it for
                    del row["output_type"]
                yield {**row, "mode": mode, "template": name}


if __name__ == "__main__":
    EXAMPLES.write_text(examples_text(), encoding="utf-8")
    print(f"wrote {EXAMPLES}, {EXAMPLES.stat().st_size / 1000:.0f} kB")
