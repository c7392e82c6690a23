"""Collect a model's answers to lm-eval's requests and count its tokens."""

import logging
import sys
from collections.abc import Sequence

from lm_eval.api.instance import Instance

from evals.harness.backends.counted import CountedModel
from evals.harness.room import room_for_prompt
from evals.items import OutputType

log = logging.getLogger(__name__)


def answer(lm: CountedModel, instances: Sequence[Instance]) -> None:
    """Append the model's answer to each request, requests of one kind together."""
    is_hidden = not sys.stderr.isatty()
    by_type: dict[str, list[Instance]] = {}
    for instance in instances:
        by_type.setdefault(instance.request_type, []).extend([instance] * instance.repeats)
    for request_type, asked in by_type.items():
        if request_type == OutputType.GENERATE_UNTIL:
            answers = _answer_by_writing(lm, asked)
        elif request_type == OutputType.LOGLIKELIHOOD:
            answers = lm.loglikelihood(asked, disable_tqdm=is_hidden)
        else:
            answers = lm.loglikelihood_rolling(asked, disable_tqdm=is_hidden)
        for instance, answer in zip(asked, answers, strict=True):
            instance.resps.append(answer)


def _answer_by_writing(lm: CountedModel, asked: Sequence[Instance]) -> list[str]:
    """Answers that are kept, and those that the model writes to the other requests."""
    if lm.kept is None:
        return _generate(lm, asked)
    found = [lm.kept.find(*instance.args[:2]) for instance in asked]
    missing = [instance for instance, kept in zip(asked, found, strict=True) if kept is None]
    written = _generate(lm, missing) if missing else []
    for instance, text in zip(missing, written, strict=True):
        lm.kept.add_partial(OutputType.GENERATE_UNTIL, instance.args[:2], text)
    lm.kept.write()
    log.info("%s of %s answers were kept from earlier measurements", len(asked) - len(missing), len(asked))
    left = iter(written)
    return [next(left) if kept is None else kept for kept in found]


def _generate(lm: CountedModel, asked: Sequence[Instance]) -> list[str]:
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
