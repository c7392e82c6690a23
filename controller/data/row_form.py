"""Read rows of one source as prompt and completion, whatever form they have: fields, plain text, turns, preferences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diagnose.rows.messages import USER, Message, parse_messages, question_and_answer, to_json

KINDS = ("text", "messages", "chosen", "completion", "prompt")
"""Keys that say what kind of row a source has; a source that names one of them forgets those of the corpus."""

Batch = Mapping[str, Sequence[Any]]


@dataclass
class RowForm:
    """Fields of a row and what they hold; keys of `corpus.*`, and of a single source of it."""

    prompt: str = "prompt"
    """Field of the prompt."""
    completion: str = "completion"
    """Field of the completion, on which the loss is taken."""
    chosen: str | None = None
    """Field of the preferred answer of preference pairs, text or turns; when set, it is read in the place of the
    completion. The rejected answer is not trained on."""
    messages: str | None = None
    """Field of conversations: lists of turns, `{role, content}`; when set, prompt and completion are not read and the
    loss is on the assistant's turns."""
    text: str | None = None
    """Field of plain text; when set, prompt and completion are not read and the loss is taken on all of it."""
    prompt_template: str = "{prompt}"
    """Text around the prompt, as `Question: {prompt}\\nAnswer:`, that the evaluation's prompts have too."""
    id: str | None = None
    """Field of a stable id; unset means a hash of the content."""
    max_rows: int | None = None
    """Most rows that are taken of each file, drawn at random in one pass over it, or of a hub data set, which is
    streamed and not stored; unset means all."""

    def __post_init__(self) -> None:
        if "{prompt}" not in self.prompt_template:
            raise ValueError(
                f"corpus.prompt_template must contain {{prompt}}, got '{self.prompt_template}'; "
                "write for example 'Question: {prompt}\\nAnswer:'"
            )
        refuse_backslash("prompt_template", self.prompt_template)
        if self.max_rows is not None and (type(self.max_rows) is not int or self.max_rows < 1):
            raise ValueError(
                f"corpus.max_rows must be a number of rows, at least 1, got {self.max_rows!r}; unset it to read every "
                "row"
            )
        for key in ("messages", "chosen"):
            if self.text is not None and getattr(self, key) is not None:
                raise ValueError(
                    f"corpus.text={self.text} reads plain text, which corpus.{key}={getattr(self, key)} does not; "
                    "unset one of them"
                )
        if self.messages is not None and self.chosen is not None:
            raise ValueError(
                f"corpus.chosen={self.chosen} and corpus.messages={self.messages} both name the field of the answer; "
                "unset corpus.messages, turns are read from corpus.chosen too"
            )

    @property
    def fields(self) -> dict[str, str]:
        """Fields of a row that are read, by the name of their key."""
        if self.text is not None:
            texts = {"text": self.text}
        elif self.messages is not None:
            texts = {"messages": self.messages}
        elif self.chosen is not None:
            texts = {"prompt": self.prompt, "chosen": self.chosen}
        else:
            texts = {"prompt": self.prompt, "completion": self.completion}
        return texts | ({"id": self.id} if self.id is not None else {})

    def check_columns(self, columns: Sequence[str], where: str) -> None:
        """Raise a ValueError where rows lack a field; a pair without a prompt may have it among its turns."""
        for setting, column in self.fields.items():
            if column in columns or (setting == "prompt" and self.chosen is not None):
                continue
            hint = ""
            if "messages" in columns:
                hint = "; set corpus.messages=messages to read conversations"
            elif "chosen" in columns:
                hint = "; set corpus.chosen=chosen to read preference pairs"
            raise ValueError(
                f"{where}, row 1 has no field '{column}' (corpus.{setting}); it has {', '.join(columns)}{hint}"
            )

    def texts(self, batch: Batch, where: str, first: int, *, is_chat: bool) -> dict[str, list[str | None]]:
        """Read prompts and completions of a batch, and whole conversations as JSON where rows have turns.

        Args:
            batch: Values by field, with the fields that `check_columns` has found.
            where: Key and source, for messages.
            first: Number of rows before the batch.
            is_chat: Whether rows may be turns, which a chat template renders.

        Raises:
            ValueError: a row lacks a field or has another form; the message names its number.
        """
        size = len(next(iter(batch.values())))
        read = [self._read(batch, k, f"{where}, row {first + k + 1}", is_chat=is_chat) for k in range(size)]
        found: dict[str, list[str | None]] = {
            "prompt": [row.prompt for row in read],
            "completion": [row.completion for row in read],
        }
        if self.messages is not None or (self.chosen is not None and is_chat):
            found["messages"] = [row.messages for row in read]
        return found

    def _read(self, batch: Batch, place: int, where: str, *, is_chat: bool) -> "_Read":
        values = {setting: batch[column][place] for setting, column in self.fields.items() if column in batch}
        for setting, value in values.items():
            if setting == "chosen" and not value:
                raise ValueError(f"{where} has no chosen side: '{self.chosen}' is empty; leave the pair out")
            if value is None and not (setting == "prompt" and self.chosen is not None):
                present = [column for column in batch if batch[column][place] is not None]
                raise ValueError(f"{where} has no field '{self.fields[setting]}'; it has {', '.join(present)}")
            if setting in ("text", "prompt", "completion") and isinstance(value, list | dict) and not self.chosen:
                raise ValueError(
                    f"{where}: field '{self.fields[setting]}' (corpus.{setting}) is a {type(value).__name__} and not "
                    f"text; for conversations set corpus.messages={self.fields[setting]}"
                )
        if self.text is not None:
            return _Read("", str(values["text"]))
        if self.messages is not None:
            return _conversation(values["messages"], f"{where}: '{self.messages}'")
        if self.chosen is None:
            return _Read(self._prompt(values["prompt"]), str(values["completion"]))
        return self._chosen(values.get("prompt"), values["chosen"], where, is_chat=is_chat)

    def _chosen(self, prompt: Any, chosen: Any, where: str, *, is_chat: bool) -> "_Read":
        """Read the chosen side of a pair: text after a prompt, turns after a prompt or turns, or a conversation."""
        if isinstance(chosen, str) and isinstance(prompt, str):
            return _Read(self._prompt(prompt), chosen)
        if isinstance(chosen, str):
            raise ValueError(
                f"{where} has a chosen text and no prompt text in '{self.prompt}'; name its field with corpus.prompt, "
                f"or read texts that hold their prompt with corpus.text={self.chosen}"
            )
        if not is_chat:
            raise ValueError(
                f"{where}: '{self.chosen}' holds turns, which a chat template renders; set "
                "corpus.apply_chat_template=true"
            )
        begins_with = chosen[0].get("role", chosen[0].get("from")) if isinstance(chosen[0], Mapping) else None
        before: list[Any] = []
        if begins_with in ("assistant", "gpt", "model"):
            before = list(prompt) if isinstance(prompt, list) else []
            if isinstance(prompt, str):
                before = [Message(USER, self._prompt(prompt))._asdict()]
        return _conversation([*before, *chosen], f"{where}: '{self.chosen}'")

    def _prompt(self, text: Any) -> str:
        return self.prompt_template.replace("{prompt}", str(text))


@dataclass(frozen=True, slots=True)
class _Read:
    prompt: str
    completion: str
    messages: str | None = None


def _conversation(turns: Any, where: str) -> _Read:
    try:
        messages = parse_messages(turns)
    except ValueError as error:
        raise ValueError(f"{where} {error}") from None
    return _Read(*question_and_answer(messages), to_json(messages))


def refuse_backslash(key: str, text: str) -> None:
    """Raise a ValueError where a shell has left a backslash and an n in the place of a line break."""
    if "\\n" in text:
        raise ValueError(
            f"corpus.{key} holds a backslash and an n where a line break is meant, got '{text}'; "
            f"""write $'corpus.{key}="...\\n..."' in the shell, or "...\\n..." in a YAML file"""
        )
