"""Render items in a model's chat template, as lm-eval's command line does.

lm-eval records which of several templates it was given by name and renders by the default one all the same; here the
named one is used.
"""

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import transformers
from jinja2 import TemplateError

from evals.harness.tasks import first_line
from evals.model_ref import ModelRef

log = logging.getLogger(__name__)

Turns = list[dict[str, str]]


def load_chat_tokenizer(model: ModelRef | None) -> Any:
    """Load the tokenizer whose template items are asked in.

    Raises:
        ValueError: there is no model that could have one, or it has no tokenizer or no template.
    """
    if model is None:
        raise ValueError(
            "conversations need a model that has a chat template, and one made from nothing has none; set "
            "model=pretrained model.name=FOLDER, or leave evals.apply_chat_template, corpus.apply_chat_template and "
            "corpus.messages unset"
        )
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            model.adapter or model.path, revision=None if model.adapter else model.revision
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot load the tokenizer of {model.path!r}: {first_line(error)}") from error
    if not tokenizer.chat_template:
        raise ValueError(
            f"the tokenizer of {model.path!r} has no chat template; take the model's chat version, write "
            "chat_template.jinja beside its tokenizer, or leave evals.apply_chat_template, corpus.apply_chat_template "
            "and corpus.messages unset"
        )
    return tokenizer


def named_template(tokenizer: Any, chosen: bool | str) -> str:
    """Find the template of this name, the only or default one by true.

    Raises:
        ValueError: the tokenizer has none of this name, or several and no default.
    """
    known = tokenizer.chat_template
    if not isinstance(known, dict):
        if isinstance(chosen, str):
            raise ValueError(
                f"evals.apply_chat_template={chosen!r} names one of several templates, but the tokenizer of "
                f"{tokenizer.name_or_path!r} has a single one; set it to true"
            )
        return str(known)
    name = chosen if isinstance(chosen, str) else "default"
    if name not in known:
        raise ValueError(
            f"evals.apply_chat_template: the tokenizer of {tokenizer.name_or_path!r} has no template {name!r}; it has "
            f"{', '.join(sorted(known))}: name one of them"
        )
    return str(known[name])


def template_hash(template: str) -> str:
    """Hash of a template, as lm-eval records it in its results."""
    return hashlib.sha256(template.encode()).hexdigest()


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
