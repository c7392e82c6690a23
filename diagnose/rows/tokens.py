"""Encode prompts and completions as the token rows that training and attribution both use.

A row is tokenised exactly as lm-eval asks for its log-likelihood: prompt, delimiter and completion as one
text, the number of prompt tokens counted on the prompt alone, trailing spaces of the prompt moved to the
completion (`LM._encode_pair`). The end token follows, and the loss is on the completion and the end token.
What tokenizes differently in training and in evaluation is a failure that no data can repair, so there is
this one place for it. Special tokens that the tokenizer itself puts in front (Llama's BOS) are kept, as
lm-eval keeps them, and as there not doubled where the text begins with one. Plain text has a token in front
in any case, as lm-eval reads a rolling likelihood after one: without it a model would never learn how texts
begin, and be asked it.

Costs two passes of the fast tokenizer and 5 bytes for each token: rows lie end to end in flat arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

NO_LOSS = -100
"""Label of a token without loss, as transformers wants it."""

_CHUNK_ROWS = 16_384
"""Rows tokenised at a time; lists of Python integers take ten times the memory of the arrays."""


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Token rows of different lengths, end to end."""

    ids: NDArray[np.int32]
    """Token ids, [num_tokens]."""
    has_loss: NDArray[np.bool_]
    """Whether the loss is on the token, [num_tokens]; the first token of a row is never predicted."""
    offsets: NDArray[np.int64]
    """Row i is `ids[offsets[i]:offsets[i + 1]]`, [num_rows + 1]."""
    is_truncated: NDArray[np.bool_]
    """Whether the row lost tokens to `max_length`, [num_rows]."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of tokens of each row, [num_rows]."""
        return np.diff(self.offsets)

    @property
    def num_tokens(self) -> int:
        return len(self.ids)

    @property
    def num_truncated(self) -> int:
        return int(self.is_truncated.sum())

    def select(self, indices: NDArray[np.int64] | Sequence[int]) -> "TokenRows":
        """Select the rows at `indices`, in that order; repeats are allowed."""
        rows = np.asarray(indices, dtype=np.int64)
        offsets = _offsets(self.lengths[rows])
        # Position of each token in the old arrays: the start of its row plus its place in it.
        positions = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], np.diff(offsets))
        return TokenRows(self.ids[positions], self.has_loss[positions], offsets, self.is_truncated[rows])


class TokenSource(Protocol):
    """Token rows that are read in parts; `TokenRows` is a source in memory."""

    def __len__(self) -> int: ...

    def select(self, indices: NDArray[np.int64]) -> TokenRows:
        """Read the rows at `indices`, ascending."""


@dataclass(frozen=True, slots=True)
class _Encoded:
    ids: NDArray[np.int32]
    lengths: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Begins:
    """Tokens in front of rows."""

    of_prompt: list[int]
    of_text: list[int]
    """Those of rows without a prompt: the same, or where there are none perhaps one."""


def encode(
    prompts: Sequence[str],
    completions: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    delimiter: str,
    max_length: int,
    end_in_loss: bool = True,
) -> TokenRows:
    """Encode prompts and completions; the loss is on the completion and, with `end_in_loss`, on the end token.

    A row with an empty prompt is plain text: the delimiter is left out and the loss is on all of it, after
    a begin token, or the end token where the tokenizer has none. Rows
    longer than `max_length` lose tokens at the front, as in lm-eval, so that the answer and the end token
    stay; plain text loses them at the end. In both cases `is_truncated` is set.

    Raises:
        ValueError: the tokenizer has no end token, or `max_length` is below 2.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"the tokenizer of {tokenizer.name_or_path!r} has no end token, so no answer would ever end; "
            "set eos_token in its tokenizer_config.json"
        )
    if max_length < 2:
        raise ValueError(f"max_length must be at least 2, got {max_length}; one token predicts nothing")
    assert len(prompts) == len(completions), "every row needs a prompt, if only an empty one"
    prefix = _special_prefix(tokenizer)
    begin = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    begins = _Begins(prefix, prefix or [begin])  # as `prefix_token_id` of lm-eval
    return _in_chunks(prompts, completions, tokenizer, delimiter, max_length, begins, end_in_loss)


def encode_texts(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> TokenRows:
    """Encode texts that are read and not predicted: each with its end token, and in front only what the tokenizer
    itself puts there. Those longer than `max_length` lose tokens at the end."""
    prefix = _special_prefix(tokenizer)
    return _in_chunks([""] * len(texts), texts, tokenizer, "", max_length, _Begins(prefix, prefix), end_in_loss=True)


def _in_chunks(
    prompts: Sequence[str],
    completions: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    delimiter: str,
    max_length: int,
    begins: _Begins,
    end_in_loss: bool,
) -> TokenRows:
    parts = [
        _encode_chunk(
            list(prompts[start : start + _CHUNK_ROWS]),
            list(completions[start : start + _CHUNK_ROWS]),
            tokenizer,
            delimiter=delimiter,
            max_length=max_length,
            begins=begins,
            end_in_loss=end_in_loss,
        )
        for start in range(0, len(prompts), _CHUNK_ROWS)
    ]
    return concatenated(parts)


def concatenated(parts: Sequence[TokenRows]) -> TokenRows:
    """Put rows behind each other."""
    if not parts:
        return token_rows([], [])
    return TokenRows(
        ids=np.concatenate([part.ids for part in parts]),
        has_loss=np.concatenate([part.has_loss for part in parts]),
        offsets=_offsets(np.concatenate([part.lengths for part in parts])),
        is_truncated=np.concatenate([part.is_truncated for part in parts]),
    )


def token_rows(ids: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]) -> TokenRows:
    """Build rows from tokens; a label is its token, or `NO_LOSS`."""
    lengths = np.array([len(row) for row in ids], dtype=np.int64)
    flat_ids = np.concatenate([np.asarray(row, dtype=np.int32) for row in ids] or [np.zeros(0, np.int32)])
    flat_labels = np.concatenate([np.asarray(row) for row in labels] or [np.zeros(0, np.int32)])
    has_loss = flat_labels != NO_LOSS
    assert np.array_equal(flat_labels[has_loss], flat_ids[has_loss]), "a label is its token, or NO_LOSS"
    return TokenRows(flat_ids, has_loss, _offsets(lengths), np.zeros(len(lengths), dtype=np.bool_))


def collate(rows: TokenRows, indices: NDArray[np.int64] | Sequence[int], pad_id: int) -> dict[str, Tensor]:
    """The rows at `indices` as a batch, padded on the right.

    Returns:
        `input_ids`, `attention_mask` and `labels`, each [batch, longest], int64. `pad_id` may be any token:
        padding is masked and carries no loss.
    """
    batch = rows.select(indices)
    lengths = batch.lengths
    shape = (len(batch), int(lengths.max(initial=0)))
    is_token = np.arange(shape[1])[None, :] < lengths[:, None]  # [batch, longest]
    input_ids = np.full(shape, pad_id, dtype=np.int64)
    labels = np.full(shape, NO_LOSS, dtype=np.int64)
    input_ids[is_token] = batch.ids
    labels[is_token] = np.where(batch.has_loss, batch.ids, NO_LOSS)
    labels[:, :1] = NO_LOSS  # never predicted, so not to be counted among what is
    return {
        "input_ids": torch.from_numpy(input_ids),
        "attention_mask": torch.from_numpy(is_token.astype(np.int64)),
        "labels": torch.from_numpy(labels),
    }


def _encode_chunk(
    prompts: list[str],
    completions: list[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    delimiter: str,
    max_length: int,
    begins: _Begins,
    end_in_loss: bool,
) -> TokenRows:
    texts = [p + delimiter + c if p else c for p, c in zip(prompts, completions, strict=True)]
    whole = _tokenize(texts, tokenizer)
    num_prompt = _tokenize([prompt.rstrip() for prompt in prompts], tokenizer).lengths
    # A prompt alone can have more tokens than the whole (merges over the border): then only the end token is
    # left to the completion.
    num_prompt = np.minimum(num_prompt, whole.lengths)
    is_text = np.array([not prompt for prompt in prompts], dtype=np.bool_)

    bos = tokenizer.bos_token
    has_own = np.array([bool(bos) and text.startswith(bos) for text in texts], dtype=np.bool_)
    num_prefix = np.where(has_own, 0, np.where(is_text, len(begins.of_text), len(begins.of_prompt))).astype(np.int64)
    lengths = whole.lengths + num_prefix + 1
    offsets = _offsets(lengths)
    ids = np.full(offsets[-1], tokenizer.eos_token_id, dtype=np.int32)
    column = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)  # place of each token in its row
    row_length = np.repeat(lengths, lengths)
    is_prefix = column < np.repeat(num_prefix, lengths)
    ids[is_prefix] = np.tile(np.array(begins.of_text, dtype=np.int32), int((num_prefix > 0).sum()))
    ids[~is_prefix & (column < row_length - 1)] = whole.ids
    has_loss = column >= np.repeat(num_prompt + num_prefix, lengths)
    if not end_in_loss:
        has_loss &= column < row_length - 1

    first = np.where(is_text, 0, np.maximum(lengths - max_length, 0))
    kept = np.minimum(lengths, max_length)
    is_kept = (column >= np.repeat(first, lengths)) & (column < np.repeat(first + kept, lengths))
    return TokenRows(ids[is_kept], has_loss[is_kept], _offsets(kept), lengths > max_length)


def _tokenize(texts: list[str], tokenizer: PreTrainedTokenizerBase) -> _Encoded:
    lists: list[list[int]] = tokenizer(
        texts,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    flat = np.fromiter((token for row in lists for token in row), dtype=np.int32, count=int(lengths.sum()))
    return _Encoded(flat, lengths)


def _special_prefix(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Tokens that the tokenizer puts in front of every text by itself, mostly none or BOS."""
    probe = "a"
    plain: list[int] = tokenizer(probe, add_special_tokens=False)["input_ids"]
    full: list[int] = tokenizer(probe)["input_ids"]
    for start in range(len(full) - len(plain) + 1):
        if full[start : start + len(plain)] == plain:
            return full[:start]
    return []


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
