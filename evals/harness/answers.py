"""Collect a model's answers to lm-eval's requests and count its tokens."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from evals.harness.room import room_for_prompt
from evals.harness.tasks import first_line
from evals.items import OutputType
from evals.model_ref import CausalModel, ModelRef
from evals.weights import shared_model

log = logging.getLogger(__name__)


_LOGIT_BYTES = 2**29
"""Most memory of the logits of one batch in float32; their softmax takes as much again."""


class CountingModel(HFLM):  # type: ignore[misc]
    """lm-eval's Hugging Face model that counts tokens; rolling requests show bars on a terminal only."""

    num_tokens = 0

    def _loglikelihood_tokens(
        self, requests: Sequence[Any], disable_tqdm: bool = False, override_bs: int | None = None
    ) -> Any:
        lengths = [min(len(context) + len(answer), self.max_length) for _, context, answer in requests]
        self.num_tokens += sum(lengths)
        return super()._loglikelihood_tokens(
            requests,
            disable_tqdm=disable_tqdm or not sys.stderr.isatty(),
            override_bs=override_bs or self._fitting(max(lengths, default=1)),
        )

    def _fitting(self, longest: int) -> int:
        """Most requests of a batch: `evals.batch_size`, or fewer where the logits of so many would fill the memory."""
        of_one = 4 * longest * len(self.tokenizer)
        return max(1, min(int(self.batch_size), _LOGIT_BYTES // of_one))


def load_model(model: ModelRef, batch_size: int, weights: CausalModel | None = None) -> CountingModel:
    """The model as lm-eval asks it; with `weights` given these are asked, else those of the reference."""
    try:
        if weights is None:
            weights = shared_model(model).to("cuda" if torch.cuda.is_available() else "cpu").eval()
        with _silent("lm_eval.models.huggingface"):  # it warns of every model that is given in memory
            return CountingModel(
                pretrained=weights,
                tokenizer=model.adapter or model.path,
                revision=model.revision or "main",
                batch_size=batch_size,
            )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"cannot load the model {model.path!r}: {first_line(error)}; it must be a folder or hub id with "
            "config, weights and tokenizer"
        ) from error


@contextmanager
def _silent(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def answer(lm: CountingModel, instances: Sequence[Instance]) -> None:
    """Append the model's answer to each request, requests of one kind together."""
    is_hidden = not sys.stderr.isatty()
    by_type: dict[str, list[Instance]] = {}
    for instance in instances:
        by_type.setdefault(instance.request_type, []).extend([instance] * instance.repeats)
    for request_type, asked in by_type.items():
        if request_type == OutputType.GENERATE_UNTIL:
            answers = _generate(lm, asked)
        elif request_type == OutputType.LOGLIKELIHOOD:
            answers = lm.loglikelihood(asked, disable_tqdm=is_hidden)
        else:
            answers = lm.loglikelihood_rolling(asked, disable_tqdm=is_hidden)
        for instance, answer in zip(asked, answers, strict=True):
            instance.resps.append(answer)


def _generate(lm: CountingModel, asked: Sequence[Instance]) -> list[str]:
    num_truncated = 0
    for instance in asked:
        room = room_for_prompt(instance, lm.max_length, lm.max_gen_toks)
        length = len(lm.tok_encode(instance.args[0]))
        num_truncated += length > room
        lm.num_tokens += min(length, room)
    if num_truncated:
        log.warning("%s of %s prompts are too long and lose their beginning", num_truncated, len(asked))
    answers: list[str] = lm.generate_until(list(asked), disable_tqdm=not sys.stderr.isatty())
    lm.num_tokens += sum(len(lm.tok_encode(answer)) for answer in answers)
    return answers
