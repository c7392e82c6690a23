"""Settings of corpus and pool: where rows come from, how each source is read, and how often it is drawn."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from controller.data.row_form import KINDS, RowForm, refuse_backslash
from diagnose.rows.pool import Rendering
from evals.validation import one_of

_FORMS = "a JSONL, JSONL.gz or Parquet file, a folder of them, or hub:name[:config]:split"
_PATH = "path"


@dataclass(frozen=True, slots=True)
class NamedSource:
    """One source of a corpus or a pool, as settings name it."""

    name: str
    """Name that its rows carry; empty for the only source, whose rows carry the name of their file."""
    path: str
    form: RowForm


@dataclass
class Corpus(RowForm):
    """`corpus.*`: files or a hub data set of the user's own."""

    train: Any = None
    """Training data: JSONL, JSONL.gz, Parquet, a folder of them, or `hub:name[:config]:split`; or several of these by
    name, `{web: web.jsonl, math: {path: math.parquet, prompt: question}}`, each with the fields of its own."""
    pool: Any = None
    """Further data that a fix may draw on, in the same forms."""
    weights: dict[str, float] = field(default_factory=dict)
    """Relative shares of the draws of the sources of `train`, by name; without any, every row counts once."""
    apply_chat_template: bool | str = False
    """Whether rows of prompt and completion are rendered by the chat template too, as a user's turn and an answer; a
    name chooses among several templates."""
    system_instruction: str | None = None
    """System turn of such rows; unset means `evals.system_instruction`."""
    delimiter: str = " "
    """Text between prompt and completion, as lm-eval's `target_delimiter`."""
    slices: list[str] = field(default_factory=list)
    """Metadata fields by which data is reported, beside the source of rows."""
    root: str | None = None
    """Folder of a named data set's files; unset means the hub."""

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_backslash("delimiter", self.delimiter)
        forms = self._forms()
        if self.apply_chat_template and all(form.text is not None for form in forms):
            raise ValueError(
                f"corpus.text={forms[0].text} has no turns that a chat template could render; unset it, or unset "
                "corpus.apply_chat_template"
            )
        if self.weights:
            self._check_weights()

    def sources(self, side: str) -> tuple[NamedSource, ...]:
        """List the sources of `train` or `pool`; none where it is not given.

        Raises:
            ValueError: what is given is neither a path nor paths by name.
        """
        given, key = getattr(self, side), f"corpus.{side}"
        if given is None:
            return ()
        own = RowForm(**{one.name: getattr(self, one.name) for one in fields(RowForm)})
        if isinstance(given, str):
            return (NamedSource("", given, own),)
        if not isinstance(given, Mapping) or not given:
            raise ValueError(
                f"{key} must be {_FORMS}, or several of them by name as in {{web: web.jsonl, math: math.jsonl}}, "
                f"got {given!r}"
            )
        return tuple(_named(key, str(name), value, own) for name, value in given.items())

    @property
    def is_chat(self) -> bool:
        """Whether rows that have turns, or prompt and completion, are rendered by a chat template."""
        return bool(self.apply_chat_template) or any(form.messages is not None for form in self._forms())

    @property
    def rendering(self) -> Rendering:
        """How the parts of a row become one text; the same for all sources, as new rows have none."""
        if not self.is_chat:
            return Rendering("" if all(form.text is not None for form in self._forms()) else self.delimiter)
        template = self.apply_chat_template if isinstance(self.apply_chat_template, str) else None
        return Rendering("", True, template, self.system_instruction)

    @property
    def is_given(self) -> bool:
        """Whether there is a corpus at all; only recorded answers can do without."""
        return self.train is not None

    def materialise(self, folder: Path) -> "Corpus":
        """Return the same data as files; a named data set writes them to `folder`."""
        del folder
        if self.train is None:
            raise ValueError(f"corpus.train is missing: name {_FORMS}")
        return self

    def task_folder(self, folder: Path) -> Path | None:
        """Folder of lm-eval task files that a named data set wrote to `folder`; None for the user's own data."""
        del folder
        return None

    def _forms(self) -> Sequence[RowForm]:
        return [source.form for source in (*self.sources("train"), *self.sources("pool"))] or [self]

    def _check_weights(self) -> None:
        names = [source.name for source in self.sources("train") if source.name]
        if not names:
            if self.train is None:
                return  # a corpus with a name has sources once it is materialised
            raise ValueError(
                f"corpus.weights names {', '.join(self.weights)}, and corpus.train={self.train} is one source without "
                "a name; name it as in corpus.train={web: web.jsonl, math: math.jsonl}, or leave the weights out"
            )
        for name, weight in self.weights.items():
            one_of("a name in corpus.weights", name, tuple(names))
            if not 0 <= weight < math.inf:
                raise ValueError(
                    f"corpus.weights.{name} must be 0 or more and finite, got {weight:g}; weights are shares of draws, "
                    "and 0 draws no row of the source"
                )
        if missing := [name for name in names if name not in self.weights]:
            raise ValueError(
                f"corpus.weights must give every source a weight, got none for {', '.join(missing)}; 0 draws no row "
                "of a source, and without any weights every row counts once"
            )
        if not sum(self.weights.values()) > 0:
            raise ValueError(
                f"corpus.weights sum to nothing ({', '.join(f'{n} {w:g}' for n, w in self.weights.items())}), so no "
                "row would be drawn; give one source at least a weight above 0"
            )


def _named(key: str, name: str, value: Any, of_corpus: RowForm) -> NamedSource:
    if not name.strip():
        raise ValueError(f"{key} has a source without a name, got '{name}'; rows are told apart by it")
    if isinstance(value, str):
        return NamedSource(name, value, of_corpus)
    where = f"{key}.{name}"
    if not isinstance(value, Mapping) or not isinstance(value.get(_PATH), str):
        raise ValueError(f"{where} must be {_FORMS}, or {{path: ..., prompt: ...}}, got {value!r}")
    known = tuple(one.name for one in fields(RowForm))
    own = {str(setting): text for setting, text in value.items() if setting != _PATH}
    for setting in own:
        one_of(f"a key of {where}", setting, (_PATH, *known))
    if not any(kind in own for kind in KINDS):
        return NamedSource(name, value[_PATH], replace(of_corpus, **own))
    kept = {setting: getattr(of_corpus, setting) for setting in known if setting not in KINDS}
    return NamedSource(name, value[_PATH], RowForm(**{**kept, **own}))
