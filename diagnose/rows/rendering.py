"""Token rows of a pool: prompt and completion joined by a delimiter, or conversations in the tokenizer's chat template.

The loss of a conversation is on every turn of the assistant, with what ends it. Where the template marks these turns
itself (`{% generation %}`), its marks count; elsewhere a turn is what the template adds when the turn follows its own
opening: the tokens by which the conversation with the turn goes beyond the one before it with the prompt for an answer.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from jinja2 import TemplateError
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from diagnose.rows.messages import ASSISTANT, Message, exchange, from_json
from diagnose.rows.pool import Rendering, TrainPool
from diagnose.rows.tokens import TokenRows, concatenated, encode
from evals.model_ref import chat_template


def encode_pool(
    pool: TrainPool, tokenizer: PreTrainedTokenizerBase, max_length: int, end_in_loss: bool = True
) -> TokenRows:
    """Encode the rows of a pool as they are trained on.

    Args:
        pool: Rows; `pool.rendering` says how their parts become one text.
        tokenizer: Tokenizer of the model that is trained or asked.
        max_length: Most tokens of a row; longer ones lose tokens at the front.
        end_in_loss: Whether the loss is on what ends an answer.

    Raises:
        ValueError: the tokenizer has no end token or no such template, or the template cannot render a row.
    """
    rows = pool.rows
    messages = rows["messages"][:] if "messages" in rows.column_names else None
    return encode_rows(
        rows["prompt"][:], rows["completion"][:], messages, pool.rendering, tokenizer, max_length, end_in_loss
    )


def encode_rows(
    prompts: Sequence[str],
    completions: Sequence[str],
    messages: Sequence[str | None] | None,
    rendering: Rendering,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    end_in_loss: bool = True,
) -> TokenRows:
    """Encode rows that are given by their columns; as `encode_pool`.

    Args:
        messages: The whole conversation of each row as JSON, None where it is one prompt and its completion, or plain
            text, which has no prompt and is in no template.
    """
    if not rendering.is_chat:
        return encode(prompts, completions, tokenizer, rendering.delimiter, max_length, end_in_loss)
    given = list(messages) if messages is not None else [None] * len(prompts)
    is_text = np.array([not prompt and not turns for prompt, turns in zip(prompts, given, strict=True)], np.bool_)
    template = chat_template(tokenizer, rendering.template)
    whole = [
        from_json(turns) if turns else exchange(rendering.system, prompt, completion)
        for prompt, completion, turns, is_plain in zip(prompts, completions, given, is_text.tolist(), strict=True)
        if not is_plain
    ]
    chats = concatenated([_conversation(turns, tokenizer, template, max_length, end_in_loss) for turns in whole])
    if not is_text.any():
        return chats
    plain = [completions[k] for k in np.flatnonzero(is_text).tolist()]
    texts = encode([""] * len(plain), plain, tokenizer, "", max_length, end_in_loss)
    return concatenated([texts, chats]).select(np.argsort(np.argsort(~is_text, kind="stable"), kind="stable"))


def _conversation(
    turns: Sequence[Message], tokenizer: PreTrainedTokenizerBase, template: str, max_length: int, end_in_loss: bool
) -> TokenRows:
    """Encode one conversation, of which the end is kept."""
    plain = [turn._asdict() for turn in turns]
    try:
        if "generation" in template and (marked := _marked(plain, tokenizer, template)) is not None:
            ids, has_loss = marked
        else:
            ids = _tokens(plain, tokenizer, template)
            has_loss = np.zeros(len(ids), np.bool_)
            for number, turn in enumerate(turns):
                if turn.role == ASSISTANT:
                    before = _tokens(plain[:number], tokenizer, template, add_generation_prompt=True)
                    after = _tokens(plain[: number + 1], tokenizer, template)
                    has_loss[_common(before, ids) : _common(after, ids)] = True
    except TemplateError as error:
        raise ValueError(
            f"the chat template of {tokenizer.name_or_path!r} refuses a conversation with the roles "
            f"{', '.join(turn.role for turn in turns)}: {error}"
        ) from error
    if not has_loss.any():
        raise ValueError(
            f"the chat template of {tokenizer.name_or_path!r} leaves no token of the assistant in a conversation that "
            f"ends with {turns[-1].content[:40]!r}; nothing could be learnt from it"
        )
    if not end_in_loss:
        has_loss = _without_ends(ids, has_loss, tokenizer)
    return TokenRows(
        ids=ids[-max_length:],
        has_loss=has_loss[-max_length:],
        offsets=np.array([0, min(len(ids), max_length)]),
        is_truncated=np.array([len(ids) > max_length]),
    )


def _marked(
    plain: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, template: str
) -> tuple[NDArray[np.int32], NDArray[np.bool_]] | None:
    """Tokens and the template's own marks; None where it marks nothing."""
    made = tokenizer.apply_chat_template(
        plain, chat_template=template, tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    has_loss = np.array(made["assistant_masks"], np.bool_)
    return (np.array(made["input_ids"], np.int32), has_loss) if has_loss.any() else None


def _tokens(
    plain: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, template: str, add_generation_prompt: bool = False
) -> NDArray[np.int32]:
    made = tokenizer.apply_chat_template(
        plain,
        chat_template=template,
        tokenize=True,
        return_dict=True,
        add_generation_prompt=add_generation_prompt,
    )
    return np.array(made["input_ids"], np.int32)


def _common(left: NDArray[np.int32], right: NDArray[np.int32]) -> int:
    """Number of tokens that both begin with."""
    size = min(len(left), len(right))
    differs = np.flatnonzero(left[:size] != right[:size])
    return int(differs[0]) if len(differs) else size


def _without_ends(
    ids: NDArray[np.int32], has_loss: NDArray[np.bool_], tokenizer: PreTrainedTokenizerBase
) -> NDArray[np.bool_]:
    """Take the loss off what ends each turn: added tokens, and white space after them."""
    kept, added = has_loss.copy(), _added(tokenizer)
    borders = np.flatnonzero(np.diff(np.concatenate([[False], has_loss, [False]]).astype(np.int8)))
    for start, end in list(pairwise(borders.tolist()))[::2]:
        place = end
        while place > start and (ids[place - 1] in added or not tokenizer.decode([ids[place - 1]]).strip()):
            place -= 1
        kept[place:end] = False
    return kept


@cache
def _added(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    return frozenset(tokenizer.get_added_vocab().values())
