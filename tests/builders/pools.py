"""Rows to train on."""

from collections.abc import Iterable, Sequence

from datasets import Dataset

from diagnose.rows.pool import TrainPool


def train_pool(
    rows: Iterable[tuple[str, str]],
    source: str | Sequence[str] = "train",
    *,
    name: str | None = None,
    **fields: Sequence[object],
) -> TrainPool:
    """Prompts with their completions, and further fields, a value for each row.

    Args:
        rows: Prompt and completion.
        source: Of all of them, or of each.
        name: Before the number in an id; that of their one source where it is not given.
        fields: By name.
    """
    pairs = list(rows)
    columns = {
        "id": [f"{name or source}-{k}" for k in range(len(pairs))],
        "source": [source] * len(pairs) if isinstance(source, str) else list(source),
        "prompt": [prompt for prompt, _ in pairs],
        "completion": [completion for _, completion in pairs],
    }
    return TrainPool(Dataset.from_dict({**columns, **fields}))
