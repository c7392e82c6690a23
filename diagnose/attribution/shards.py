"""Keep scores of training rows, shard by shard, in memory or on disk.

Attribution of a corpus larger than memory writes the scores of some thousand rows at a time, each once: numbers for
each query, never a gradient. A file that exists is complete, so a killed pass continues after the last one.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Scores of rows `start` to `start + num_rows`."""

    start: int
    effect: NDArray[np.float32]
    """Effect, [num_rows, num_queries], nats of the query per unit of example weight, where training sums over rows of
    weight 1 each; positive means that more of the example lowers the query's loss."""
    retrieval: NDArray[np.float32]
    """Mean cosine to the gradients of the query's gold answers, [num_rows, num_queries], in [-1, 1]."""
    hidden: NDArray[np.float32]
    """Mean cosine to the hidden states of the query's gold answers, [num_rows, num_queries]: a control."""
    losses: NDArray[np.float32]
    """Loss summed over the tokens with loss, [num_checkpoints, num_rows], nats; 0 for rows left out."""
    num_loss_tokens: NDArray[np.int64]
    """Number of tokens with loss, [num_rows]."""
    is_left_out: NDArray[np.bool_]
    """Whether loss or gradient is not finite at some checkpoint, [num_rows]; all scores are 0 there."""
    num_truncated: int
    num_tokens: int
    """Tokens through a forward and backward pass, over all checkpoints."""

    def __len__(self) -> int:
        return len(self.effect)

    @property
    def losses_per_token(self) -> NDArray[np.float32]:
        """Mean loss per token, [num_rows, num_checkpoints], nats."""
        return np.asarray(self.losses.T / np.maximum(self.num_loss_tokens, 1)[:, None], np.float32)

    def part(self, places: slice) -> "ScoredRows":
        """Some of the rows; counts over all of them are not divided and become 0."""
        return ScoredRows(
            start=self.start + places.start,
            effect=self.effect[places],
            retrieval=self.retrieval[places],
            hidden=self.hidden[places],
            losses=self.losses[:, places],
            num_loss_tokens=self.num_loss_tokens[places],
            is_left_out=self.is_left_out[places],
            num_truncated=0,
            num_tokens=0,
        )

    @property
    def rows(self) -> NDArray[np.int64]:
        return np.arange(self.start, self.start + len(self))


@dataclass(frozen=True, slots=True)
class Preparation:
    """Queries left out and cost of a checkpoint before its first row is scored."""

    left_out_queries: NDArray[np.int64]
    """Indices, ascending, of items whose loss or gradient is not finite."""
    num_tokens: int
    """Tokens of queries and calibration; those of the sample are counted with its rows."""


Kept = TypeVar("Kept", ScoredRows, Preparation)


class ScoreShards:
    """Scores so far by checkpoint and shard, and the preparation of a checkpoint without one; kept in a folder, they
    outlive the process."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kept: dict[tuple[int, int | None], ScoredRows | Preparation] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def has(self, checkpoint: int, shard: int | None = None) -> bool:
        if self._folder is None:
            return (checkpoint, shard) in self._kept
        return _file(self._folder, checkpoint, shard).is_file()

    def put(self, kept: ScoredRows | Preparation, checkpoint: int, shard: int | None = None) -> None:
        if self._folder is None:
            self._kept[checkpoint, shard] = kept
            return
        path = _file(self._folder, checkpoint, shard)
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, **{one.name: getattr(kept, one.name) for one in fields(kept)})
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def get(self, kind: type[Kept], checkpoint: int, shard: int | None = None) -> Kept:
        if self._folder is None:
            kept = self._kept[checkpoint, shard]
            assert isinstance(kept, kind), "only preparations are kept without a shard"
            return kept
        with np.load(_file(self._folder, checkpoint, shard)) as file:
            # Numbers come back as arrays without a dimension.
            values: dict[str, Any] = {name: array if array.ndim else int(array) for name, array in file.items()}
            return kind(**values)


def _file(folder: Path, checkpoint: int, shard: int | None) -> Path:
    return folder / (f"{checkpoint}.npz" if shard is None else f"{checkpoint}-{shard:06d}.npz")


def mean_of(parts: Sequence[ScoredRows], shares: Sequence[float]) -> ScoredRows:
    """Average the same rows over several checkpoints: scores weighted, losses side by side."""
    is_left_out = np.logical_or.reduce([part.is_left_out for part in parts])
    losses = np.concatenate([part.losses for part in parts])
    losses[:, is_left_out] = 0

    def mean(scores: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        total = np.zeros_like(scores[0])
        for of_checkpoint, share in zip(scores, shares, strict=True):
            total += np.float32(share) * of_checkpoint
        total[is_left_out] = 0
        return total

    return replace(
        parts[0],
        effect=mean([part.effect for part in parts]),
        retrieval=mean([part.retrieval for part in parts]),
        hidden=mean([part.hidden for part in parts]),
        losses=losses,
        is_left_out=is_left_out,
        num_tokens=sum(part.num_tokens for part in parts),
    )


def gathered(parts: Sequence[ScoredRows]) -> ScoredRows:
    """Join consecutive rows."""
    return ScoredRows(
        start=parts[0].start,
        effect=np.concatenate([part.effect for part in parts]),
        retrieval=np.concatenate([part.retrieval for part in parts]),
        hidden=np.concatenate([part.hidden for part in parts]),
        losses=np.concatenate([part.losses for part in parts], axis=1),
        num_loss_tokens=np.concatenate([part.num_loss_tokens for part in parts]),
        is_left_out=np.concatenate([part.is_left_out for part in parts]),
        num_truncated=sum(part.num_truncated for part in parts),
        num_tokens=sum(part.num_tokens for part in parts),
    )
