"""The model in this process, by transformers, as lm-eval asks it."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lm_eval.models.huggingface import HFLM

from evals.harness.backends.counted import CountedModel
from evals.harness.backends.kept import keep_answers
from evals.harness.tasks import first_line
from evals.model_ref import CausalModel, ModelRef
from evals.suite import EvalSuite
from evals.weights import shared_model

_LOGIT_BYTES = 2**29
"""Most memory of the logits of one batch in float32; their softmax takes as much again."""


class LocalModel(CountedModel, HFLM):  # type: ignore[misc]
    """lm-eval's Hugging Face model; rolling requests show bars on a terminal only."""

    def _loglikelihood_tokens(
        self, requests: Sequence[Any], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> Any:
        longest = max((min(len(context) + len(answer), self.max_length) for _, context, answer in requests), default=1)
        return super()._loglikelihood_tokens(
            requests,
            disable_tqdm=disable_tqdm or not sys.stderr.isatty(),
            override_bs=override_bs or self._fitting(longest),
        )

    def _fitting(self, longest: int) -> int:
        """Most requests of a batch: `evals.batch_size`, or fewer where the logits of so many would fill the memory."""
        of_one = 4 * longest * len(self.tokenizer)
        return max(1, min(int(self.batch_size), _LOGIT_BYTES // of_one))


def load_local(model: ModelRef, suite: EvalSuite, weights: CausalModel | None = None) -> LocalModel:
    """Load the model as lm-eval asks it; with `weights` given these are asked, else those of the reference.

    Raises:
        ValueError: there is no model in the folder, or `evals.cache` is no folder or cannot tell it from others.
    """
    arguments = suite.model_args if suite.backend == "hf" else {}  # diagnosis asks it whatever measures
    try:
        if weights is None:
            weights = shared_model(model).to("cuda" if torch.cuda.is_available() else "cpu").eval()
        with _silent("lm_eval.models.huggingface"):  # it warns of every model that is given in memory
            lm = LocalModel(
                pretrained=weights,
                tokenizer=model.adapter or model.path,
                revision=model.revision or "main",
                batch_size=suite.batch_size,
                **arguments,
            )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"cannot load the model {model.path!r}: {first_line(error)}; it must be a folder or hub id with "
            "config, weights and tokenizer"
        ) from error
    keep_answers(lm, model, suite, {"args": arguments, "dtype": str(weights.dtype), "device": lm.device.type})
    return lm


@contextmanager
def _silent(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
