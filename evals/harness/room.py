"""Check that prompts and answers have room in a model's context, before anything is asked.

Costs the tokens of one prompt of each task, or of all where none fits.
"""

from collections.abc import Sequence

from lm_eval.api.instance import Instance
from lm_eval.models.utils import normalize_gen_kwargs, resolve_max_length
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from evals.harness.loading import LoadedSuite
from evals.items import OutputType
from evals.model_ref import ModelRef

DEFAULT_ANSWER, DEFAULT_CONTEXT = 256, 2048
"""Tokens of an answer and of a context where neither task nor model says; those of lm-eval."""


def check_room(loaded: LoadedSuite, model: ModelRef) -> None:
    """Check that each task has an item that the model, by its configuration and tokenizer, reads whole.

    Raises:
        ValueError: answers of a task leave no room for a prompt, or all its prompts would lose their beginning.
    """
    tokenizer = AutoTokenizer.from_pretrained(model.path, revision=model.revision)
    config = AutoConfig.from_pretrained(model.path, revision=model.revision)
    context = resolve_max_length(config, tokenizer, default=DEFAULT_CONTEXT)
    for leaf in (*loaded.tasks, *loaded.guards):
        asked = [loaded.requests[item.key][0] for item in loaded.items if item.task == leaf]
        if not asked or asked[0].request_type == OutputType.LOGLIKELIHOOD_ROLLING:  # which is read in windows
            continue
        room = room_for_prompt(asked[0], context, DEFAULT_ANSWER)
        if not any(_fits(request, room, tokenizer) for request in asked):
            raise ValueError(
                f"none of the {len(asked)} prompts of task {leaf!r} fits into the {room} tokens that the model reads "
                "before an answer; all would lose their beginning: set evals.num_fewshot or evals.max_gen_toks to "
                "less, or take a model with a longer context"
            )


def room_for_prompt(request: Instance, context: int, default_answer: int) -> int:
    """Number of tokens that a request's prompt may have.

    Args:
        request: Request of any kind; where the answer is given, it counts as part of the prompt.
        context: Number of tokens that the model reads.
        default_answer: Number of tokens of an answer where the request does not say.

    Raises:
        ValueError: the longest answer takes all of the context.
    """
    if request.request_type != OutputType.GENERATE_UNTIL:
        return context
    longest = int(normalize_gen_kwargs(request.args[1], default_answer)["max_gen_toks"])
    if longest >= context:
        raise ValueError(
            f"task {request.task_name!r} asks for answers of {longest} tokens, but the model reads {context} with the "
            "prompt; set evals.max_gen_toks to less"
        )
    return context - longest


def _fits(request: Instance, room: int, tokenizer: PreTrainedTokenizerBase) -> bool:
    is_open = request.request_type == OutputType.GENERATE_UNTIL
    texts: Sequence[str] = request.args[:1] if is_open else request.args[:2]
    return len(tokenizer("".join(texts))["input_ids"]) <= room
