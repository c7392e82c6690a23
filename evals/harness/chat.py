"""Render items in a model's chat template, as lm-eval's command line does.

lm-eval records which of several templates it was given by name and renders by the default one all the same; here the
named one is used.
"""

import logging
from collections.abc import Callable
from typing import Any

import transformers
from jinja2 import TemplateError

from evals.model_ref import ModelRef, chat_template
from evals.validation import first_line

log = logging.getLogger(__name__)

Turns = list[dict[str, str]]


def load_chat_tokenizer(model: ModelRef | None) -> Any:
    """Load the tokenizer whose template items are asked in.

    Raises:
        ValueError: there is no model that could have one, or it has no tokenizer.
    """
    if model is None:
        raise ValueError(
            "conversations need a model that has a chat template, and one made from nothing has none; set "
            "model=pretrained model.name=FOLDER, or leave evals.apply_chat_template, corpus.apply_chat_template and "
            "corpus.messages unset"
        )
    try:
        return transformers.AutoTokenizer.from_pretrained(
            model.adapter or model.path, revision=None if model.adapter else model.revision
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot load the tokenizer of {model.path!r}: {first_line(error)}") from error


def named_template(tokenizer: Any, chosen: bool | str) -> str:
    """Find the template that `apply_chat_template` chooses: by its name, or the only or default one.

    Raises:
        ValueError: as in `chat_template`.
    """
    return chat_template(tokenizer, chosen if isinstance(chosen, str) else None)


def renderer(tokenizer: Any, template: str) -> Callable[..., str]:
    """Make the function that lm-eval asks for texts: turns, and whether the answer is to begin or to go on."""

    def render(turns: Turns, add_generation_prompt: bool = True) -> str:
        def rendered(given: Turns) -> str:
            text: str = tokenizer.apply_chat_template(
                given,
                chat_template=template,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=not add_generation_prompt,
            )
            return text

        try:
            return rendered(turns)
        except TemplateError:
            log.warning("the chat template takes no system turn: it is left out, as lm-eval does")
            return rendered([turn for turn in turns if turn["role"] != "system"])

    return render
