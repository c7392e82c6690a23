"""Conversations as rows: what counts as one, and which text of it is the question and which the answer.

Diagnosis, gate and fixes read the plain text of the turns; the markup of a template is added where tokens are made
(`diagnose.rows.rendering`).
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

SYSTEM, USER, ASSISTANT, TOOL = "system", "user", "assistant", "tool"
_ROLES = {"developer": SYSTEM, "human": USER, "gpt": ASSISTANT, "model": ASSISTANT, "function": TOOL} | {
    role: role for role in (SYSTEM, USER, ASSISTANT, TOOL)
}
"""Roles as data sets write them, and what they are."""


class Message(NamedTuple):
    role: str
    """One of system, user, assistant and tool."""
    content: str


def parse_messages(value: Any) -> tuple[Message, ...]:
    """Check a conversation as data sets hold it, and make it plain.

    A turn is `{"role", "content"}`, or `{"from", "value"}` as in ShareGPT. Parts of text are joined, calls of tools
    become text, one line of JSON each.

    Raises:
        ValueError: no list of turns, an unknown role, roles out of order, an empty turn, a part that is no text, or no
            answer at the end. The message names the turn and says what is wrong with it; the caller names the row.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError(f"is no list of turns but {_short(value)}; a turn is {{'role': ..., 'content': ...}}")
    messages = tuple(_message(number, turn) for number, turn in enumerate(value, 1))
    for number, (before, after) in enumerate(pairwise(messages), 2):
        if after.role == SYSTEM:
            raise ValueError(f"has roles out of order: turn {number} is of the system; only the first may be")
        if after.role == USER and before.role == USER:
            raise ValueError(f"has roles out of order: turns {number - 1} and {number} are both of the user")
        if after.role == ASSISTANT and before.role not in {USER, TOOL}:
            raise ValueError(f"has roles out of order: turn {number} answers a turn of the {before.role}")
        if after.role == TOOL and before.role not in {ASSISTANT, TOOL}:
            raise ValueError(f"has roles out of order: turn {number} is of a tool that no turn before it called")
    if messages[0].role not in {SYSTEM, USER}:
        raise ValueError(f"has roles out of order: it begins with a turn of the {messages[0].role}")
    if messages[-1].role != ASSISTANT:
        raise ValueError(f"ends with a turn of the {messages[-1].role}, so nothing is learnt; end with an answer")
    return messages


def question_and_answer(messages: Sequence[Message]) -> tuple[str, str]:
    """All turns but the last as one text, a line between each two, and the last."""
    return "\n".join(message.content for message in messages[:-1]), messages[-1].content


def exchange(system: str | None, prompt: str, completion: str) -> tuple[Message, ...]:
    """Make a conversation of one question and its answer."""
    first = (Message(SYSTEM, system),) if system else ()
    return (*first, Message(USER, prompt), Message(ASSISTANT, completion))


def with_answer(conversation: str, answer: str) -> str:
    """Replace the last turn of a conversation that is given as JSON."""
    *others, last = from_json(conversation)
    return to_json([*others, last._replace(content=answer)])


def to_json(messages: Sequence[Message]) -> str:
    return json.dumps([message._asdict() for message in messages], ensure_ascii=False)


def from_json(text: str) -> tuple[Message, ...]:
    return tuple(Message(**message) for message in json.loads(text))


def _message(number: int, turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        raise ValueError(f"has a turn {number} that is no object but {_short(turn)}")
    named = turn.get("role") or turn.get("from")
    role = _ROLES.get(str(named))
    if role is None:
        raise ValueError(f"has a turn {number} of the unknown role {named!r}; known are {', '.join(sorted(_ROLES))}")
    content = _text(number, turn.get("content", turn.get("value")))
    calls = [json.dumps(_plain(call), ensure_ascii=False, sort_keys=True) for call in turn.get("tool_calls") or []]
    text = "\n".join(part for part in (content, *calls) if part)
    if not text.strip():
        raise ValueError(f"has an empty turn {number} ({role}); leave the row out or fill it")
    return Message(role, text)


def _text(number: int, content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, Sequence):
        raise ValueError(f"has a turn {number} whose content is {_short(content)}, and not text")
    parts = [{"type": "text", "text": part} if isinstance(part, str) else part for part in content]
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind != "text" or not isinstance(part.get("text"), str):
            raise ValueError(f"has a part of type {kind!r} in turn {number}; only text can be trained on here")
    return "".join(part["text"] for part in parts)


def _plain(call: Any) -> Any:
    """The call without fields that Arrow filled with nothing."""
    if isinstance(call, Mapping):
        return {key: _plain(value) for key, value in call.items() if value is not None}
    return [_plain(value) for value in call] if isinstance(call, list) else call


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
