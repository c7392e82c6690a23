"""The model in this process, by transformers, as lm-eval asks it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from evals.harness.backends.counted import CountedModel
from evals.harness.backends.fitted import FittedModel
from evals.harness.backends.kept import keep_answers
from evals.model_ref import CausalModel, ModelRef
from evals.suite import EvalSuite
from evals.validation import first_line
from evals.weights import shared_model

_MOST = 64
"""Largest batch where a size is to be found and `max_batch_size` says nothing, as in lm-eval."""


class LocalModel(CountedModel, FittedModel):
    """lm-eval's Hugging Face model."""


def load_local(model: ModelRef, suite: EvalSuite, weights: CausalModel | None = None) -> LocalModel:
    """Load the model as lm-eval asks it; with `weights` given these are asked, else those of the reference.

    Raises:
        ValueError: there is no model in the folder, or `evals.cache` is no folder or cannot tell it from others.
    """
    most = int(suite.model_args.get("max_batch_size", _MOST))
    arguments = suite.model_args if suite.backend == "hf" else {}  # diagnosis asks it whatever measures
    try:
        if weights is None:
            weights = shared_model(model).to("cuda" if torch.cuda.is_available() else "cpu").eval()
        with _silent("lm_eval.models.huggingface"):  # it warns of every model that is given in memory
            lm = LocalModel(
                pretrained=weights,
                tokenizer=model.adapter or model.path,
                revision=model.revision or "main",
                batch_size=most if suite.num_parts is not None else suite.batch_size,
                **arguments,
            )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"cannot load the model {model.path!r}: {first_line(error)}; it must be a folder or hub id with "
            "config, weights and tokenizer"
        ) from error
    lm.num_parts = suite.num_parts
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
