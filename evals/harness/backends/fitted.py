"""Batches that fit into memory.

The logits of a batch, tokens times vocabulary, are its largest part where likelihoods are asked for, so no batch has
more of them than `_LOGIT_BYTES`, whatever `evals.batch_size` says. Where answers are generated it is the cache of keys
and values; on a CPU, whose time goes into padding as into text, no batch has more of it than `_CACHE_BYTES`, and
prompts of like length go together. With `evals.batch_size=auto`, as with lm-eval's `auto`, that is the only bound
beside `max_batch_size` (64, an argument in `evals.model_args`), and a batch that does not fit is made smaller until it
does; `auto:N` finds a size for each of N parts of the requests, the longest first. lm-eval's own search is not used:
for each size that it tries it runs five batches of the longest text that the model can read, and it asks about memory
alone, of which a CPU gives more until the machine swaps. Here the first batch, of the longest requests, is the trial.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from lm_eval.models.huggingface import HFLM
from numpy.typing import NDArray

_LOGIT_BYTES = 2**29
"""Most memory of the logits of one batch in float32; their softmax takes as much again."""

_CACHE_BYTES = 2**29
"""Most memory of the keys and values of one batch of prompts and answers on a CPU."""

T = TypeVar("T")


class FittedModel(HFLM):  # type: ignore[misc]
    """lm-eval's Hugging Face model with batches that fit; rolling requests show bars on a terminal only."""

    batch_size_per_gpu: int
    num_parts: int | None = None
    """Parts of the requests for which a size is found; None where `evals.batch_size` is a number."""

    def _loglikelihood_tokens(
        self, requests: Sequence[Any], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> list[Any]:
        for asked, _, tokens in requests:
            if not tokens:
                context, answer = asked
                raise ValueError(
                    f"evals.tasks: the answer {answer!r} adds no token to its prompt, which ends with "
                    f"{context[-30:]!r}; an answer whose likelihood is asked begins with a space, as in "
                    "doc_to_target: \"{{' ' + answer}}\""
                )
        lengths = np.array([min(len(context) + len(answer), self.max_length) for _, context, answer in requests])
        answers: list[Any] = [None] * len(requests)
        for part in np.array_split(np.argsort(-lengths, kind="stable"), self.num_parts or 1):
            if not part.size:
                continue
            own, is_hidden = [requests[place] for place in part], disable_tqdm or not sys.stderr.isatty()
            score = partial(super()._loglikelihood_tokens, own, is_hidden)
            most = self._fitting(int(lengths[part[0]]))
            for place, answer in zip(part, self._made_to_fit(score, min(most, override_bs or most)), strict=True):
                answers[place] = answer
        return answers

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        answers = [""] * len(requests)
        for part in self._parts_to_write(requests):
            write = partial(super().generate_until, [requests[place] for place in part], disable_tqdm)
            for place, answer in zip(part.tolist(), self._made_to_fit(write, int(self.batch_size)), strict=True):
                answers[place] = answer
        return answers

    def _parts_to_write(self, requests: Sequence[Any]) -> list[NDArray[np.int64]]:
        """Places of requests that are written in one call: all, or on a CPU a batch, the longest first."""
        if self.device.type != "cpu":
            return [np.arange(len(requests))]
        longest = [int(one.args[1].get("max_gen_toks", self.max_gen_toks)) for one in requests]
        prompts = [len(self.tok_encode(one.args[0])) for one in requests]
        lengths = np.minimum(np.array(prompts) + np.array(longest), self.max_length)
        most_tokens = _CACHE_BYTES // _cache_bytes(self.config, self.model.dtype)
        order, parts, start = np.argsort(-lengths, kind="stable"), [], 0
        while start < len(order):
            size = max(1, min(int(self.batch_size), most_tokens // int(lengths[order[start]])))
            parts.append(order[start : start + size])
            start += size
        return parts

    def _made_to_fit(self, work: Callable[[], T], most: int) -> T:
        """Work with batches of at most this size; where a size is to be found, with smaller ones if memory runs out."""
        size = most
        while True:
            try:
                with self._batches_of(size):
                    return work()
            except RuntimeError as error:
                if self.num_parts is None or size == 1 or not should_reduce_batch_size(error):
                    raise
            size //= 2  # outside of the clause, whose error holds what filled the memory
            clear_device_cache(garbage_collection=True)

    @contextmanager
    def _batches_of(self, size: int) -> Iterator[None]:
        """Set the size where lm-eval reads it: the size that it takes with a call counts only where it finds one."""
        before = self.batch_size_per_gpu
        self.batch_size_per_gpu = size
        try:
            yield
        finally:
            self.batch_size_per_gpu = before

    def _fitting(self, longest: int) -> int:
        """Most requests of a batch: `evals.batch_size`, or fewer where the logits of so many would fill the memory."""
        of_one = 4 * longest * len(self.tokenizer)
        return max(1, min(int(self.batch_size), _LOGIT_BYTES // of_one))


def _cache_bytes(config: Any, dtype: torch.dtype) -> int:
    """Memory of the keys and values of one token in all layers."""
    text = config.get_text_config()
    num_heads = text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // num_heads
    num_kept = getattr(text, "num_key_value_heads", None) or num_heads
    return int(2 * text.num_hidden_layers * num_kept * width * dtype.itemsize)
