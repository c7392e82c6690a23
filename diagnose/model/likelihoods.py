"""Likelihoods of token rows under one model: of each row, of its last token, and whether greedy decoding gives it.

One forward pass, 2 FLOPs for each parameter and token.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from diagnose.model.head import answer_logits, fitting_tokens
from diagnose.rows.batches import length_batches
from diagnose.rows.tokens import TokenRows, collate
from evals.items import Item, ItemKey
from evals.model_ref import CausalModel


@dataclass(frozen=True, slots=True)
class RowLikelihoods:
    """Likelihoods of rows, [num_rows] each; 0 and False for a row without loss or with one that is not finite."""

    log_likelihood: NDArray[np.float64]
    """Log-likelihood in nats, summed over the tokens with loss."""
    num_loss_tokens: NDArray[np.int64]
    is_greedy: NDArray[np.bool_]
    """Whether each token with loss is the most likely one, given those before it."""
    last_log_likelihood: NDArray[np.float64]
    """Log-likelihood of the last token in nats; rows are encoded to end with the end token."""
    num_tokens: int
    """Tokens through the forward pass."""


def row_likelihoods(model: CausalModel, rows: TokenRows, batch_tokens: int) -> RowLikelihoods:
    """Compute the likelihoods of each row in one forward pass.

    Args:
        batch_tokens: Most tokens in a batch, padding included.
    """
    model.eval()
    size = len(rows)
    total, last = np.zeros(size), np.zeros(size)
    numbers, is_greedy = np.zeros(size, np.int64), np.zeros(size, bool)
    readable = np.flatnonzero(rows.lengths > 1)
    for chosen in length_batches(rows.lengths, readable, fitting_tokens(model, batch_tokens), most_rows=size):
        logits, targets, has_loss = answer_logits(model, collate(rows, chosen, pad_id=0))
        of_target = torch.zeros(has_loss.shape, device=logits.device)  # [batch, longest - 1]
        is_best = torch.ones_like(has_loss)
        is_best[has_loss] = logits.argmax(-1) == targets
        of_target[has_loss] = -cross_entropy(logits, targets, reduction="none")
        ends = torch.from_numpy(rows.lengths[chosen] - 2).to(logits.device)
        total[chosen] = of_target.sum(1).double().cpu().numpy()
        last[chosen] = of_target.gather(1, ends[:, None])[:, 0].double().cpu().numpy()
        numbers[chosen] = has_loss.sum(1).cpu().numpy()
        is_greedy[chosen] = is_best.all(1).cpu().numpy()
    is_sound = np.isfinite(total) & (numbers > 0)
    return RowLikelihoods(
        log_likelihood=np.where(is_sound, total, 0.0),
        num_loss_tokens=numbers,
        is_greedy=is_greedy & is_sound,
        last_log_likelihood=np.where(is_sound, np.nan_to_num(last, nan=0.0, neginf=-1e3), 0.0),
        num_tokens=int(rows.lengths[readable].sum()),
    )


@dataclass(frozen=True, slots=True)
class AnswerLikelihoods:
    """Likelihoods of answers to items, [num_answers] each."""

    log_likelihood: NDArray[np.float64]
    """Log-likelihood in nats, summed over the answer's tokens."""
    num_loss_tokens: NDArray[np.int64]
    num_tokens: int
    """Tokens through the forward pass; those of answers that were read before are not read again."""


@dataclass(slots=True)
class AnswerReader:
    """Reads each answer to an item once, however many tests ask for it."""

    read: Callable[[Sequence[Item], Sequence[str]], RowLikelihoods]
    _known: dict[tuple[ItemKey, str], tuple[float, int]] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, items: Sequence[Item], answers: Sequence[str]) -> AnswerLikelihoods:
        """Likelihoods of one answer to each item, in this order."""
        asked = {(item.key, answer): item for item, answer in zip(items, answers, strict=True)}
        new = {key: item for key, item in asked.items() if key not in self._known}
        num_tokens = 0
        if new:
            found = self.read(list(new.values()), [answer for _, answer in new])
            num_tokens = found.num_tokens
            values = zip(found.log_likelihood.tolist(), found.num_loss_tokens.tolist(), strict=True)
            self._known.update(zip(new, values, strict=True))
        known = [self._known[item.key, answer] for item, answer in zip(items, answers, strict=True)]
        return AnswerLikelihoods(
            np.array([log_likelihood for log_likelihood, _ in known], float),
            np.array([number for _, number in known], np.int64),
            num_tokens,
        )
