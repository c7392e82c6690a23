"""Differences between the form in which a model is trained and the form in which it is asked, from texts alone.

They are the commonest cause of a format that does not fit, and of a model that never ends an answer, and they are seen
before anything is trained.
"""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from diagnose.rows.messages import SYSTEM, from_json
from diagnose.rows.pool import TrainPool
from diagnose.rows.rendering import encode_pool
from diagnose.rows.selection import evenly_spaced
from diagnose.rows.tokens import TokenRows, encode_texts
from evals.items import Item

_MOST = 200
"""Rows and items that are looked at, evenly spaced."""
_SOME = 0.05
"""Share of rows from which a difference is worth a word."""


def find_drift(
    corpus: TrainPool, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase, max_length: int, system: str | None
) -> tuple[str, ...]:
    """Say how rows and items differ in form, a sentence with the way out for each difference.

    Args:
        corpus: Rows that the model is trained on.
        items: Items that it is asked.
        tokenizer: Tokenizer of the model.
        max_length: Most tokens of a row.
        system: System turn of the items.
    """
    rows = corpus.select(evenly_spaced(len(corpus), _MOST))
    asked = [items[k] for k in evenly_spaced(len(items), _MOST).tolist()]
    encoded = encode_pool(rows, tokenizer, max_length)
    prompts = encode_texts([item.prompt for item in asked], tokenizer, max_length)
    found = [
        _templates(corpus, asked, has_template=bool(tokenizer.chat_template)),
        _systems(rows, system) if corpus.rendering.is_chat else None,
        _doubled_begins(encoded, tokenizer, "rows of corpus.train"),
        _doubled_begins(prompts, tokenizer, "prompts of items"),
        _missing_ends(encoded, tokenizer) if corpus.rendering.is_chat else None,
    ]
    return tuple(sentence for sentence in found if sentence is not None)


def _templates(corpus: TrainPool, asked: Sequence[Item], *, has_template: bool) -> str | None:
    in_chat = sum(item.is_chat for item in asked)
    if corpus.rendering.is_chat and in_chat < len(asked):
        tasks = ", ".join(dict.fromkeys(item.task for item in asked if not item.is_chat))
        return (
            f"rows of corpus.train are conversations in the chat template, and {tasks} is asked without it: what is "
            "learnt in one form may not show in the other; set evals.apply_chat_template=true"
        )
    if in_chat and not corpus.rendering.is_chat:
        return (
            "items are asked in the chat template, and rows of corpus.train are trained on as plain text: what is "
            "learnt in one form may not show in the other; set corpus.apply_chat_template=true, or corpus.messages"
        )
    if has_template and not in_chat and not corpus.rendering.is_chat:
        return (
            "the model has a chat template that neither rows nor items use: right for a base model; for a chat model "
            "set evals.apply_chat_template=true and corpus.apply_chat_template=true"
        )
    return None


def _systems(rows: TrainPool, system: str | None) -> str | None:
    """Whether conversations begin with another system turn than items do."""
    prompts = rows.rows["prompt"][:]
    given = rows.rows["messages"][:] if "messages" in rows.rows.column_names else [None] * len(rows)
    given = [talk for talk, prompt in zip(given, prompts, strict=True) if talk or prompt]  # plain text has no turns
    turns = [from_json(messages)[0] if messages else None for messages in given]
    own = [
        rows.rendering.system if first is None else first.content if first.role == SYSTEM else None for first in turns
    ]
    others = [text for text in own if (text or "") != (system or "")]
    if len(others) <= _SOME * len(own):
        return None
    theirs, way_out = "no system turn, and items have one", "unset evals.system_instruction, or give the rows that turn"
    if any(others):
        theirs, way_out = "a system turn that items do not have", "set evals.system_instruction to what they say"
    return f"{len(others)} of {len(own)} rows of corpus.train have {theirs}; {way_out}"


def _doubled_begins(rows: TokenRows, tokenizer: PreTrainedTokenizerBase, what: str) -> str | None:
    begin = tokenizer.bos_token_id
    if begin is None:
        return None
    heads = [rows.ids[start : start + 2].tolist() for start in rows.offsets[:-1].tolist()]
    doubled = sum(head == [begin, begin] for head in heads)
    if not doubled:
        return None
    return (
        f"{doubled} of {len(heads)} {what} begin with {tokenizer.bos_token!r} twice: text or template writes one that "
        "the tokenizer writes too; take it out of one of them"
    )


def _missing_ends(rows: TokenRows, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Whether answers end with a token that ends a generation."""
    missing = 0
    for start, end in zip(rows.offsets[:-1].tolist(), rows.offsets[1:].tolist(), strict=True):
        learnt = rows.ids[start:end][rows.has_loss[start:end]].tolist()
        while learnt and not tokenizer.decode([learnt[-1]]).strip():
            learnt.pop()
        missing += not learnt or learnt[-1] != tokenizer.eos_token_id
    if missing <= _SOME * len(rows):
        return None
    return (
        f"{missing} of {len(rows)} conversations of corpus.train do not teach {tokenizer.eos_token!r}, which ends a "
        "generation: the model will run on; let the template end the assistant's turn with it, or set eos_token in "
        "tokenizer_config.json to what it ends with"
    )
