"""Write `docs/keys.md`, every key that can be set, from the dataclasses of the settings: python scripts/make_keys.py"""

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from omegaconf import MISSING as REQUIRED

from controller.cli.compose import SCHEMAS
from controller.prove.settings import Prove
from controller.settings import LoopSettings
from service.settings import Serve

PAGE = Path(__file__).parents[1] / "docs" / "keys.md"
HEAD = """# Every key

Written by `python scripts/make_keys.py` from the dataclasses that check the settings. What most users set, with
examples, stands in [settings.md](settings.md). `???` must be given. Of the choices of a group, as `corpus=files` and
`corpus=starter`, each lists the keys that those above it have not.
"""
_WORDS: dict[type, str] = {bool: "true or false", int: "whole number", float: "number", str: "text"}


@dataclass(frozen=True, slots=True)
class Key:
    """One thing that can be set."""

    name: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Section:
    """Keys that one component reads."""

    title: str
    meaning: str
    keys: tuple[Key, ...]


def sections() -> list[Section]:
    """All keys, those of a group's first choice before what its other choices add."""
    found = [_section(LoopSettings, "", "The loop as a whole")]
    for field_ in fields(LoopSettings):
        kind = typing.get_type_hints(LoopSettings)[field_.name]
        if is_dataclass(kind) and isinstance(kind, type):
            found.append(_section(kind, f"{field_.name}.", f"`{field_.name}.*`"))
    found += _choices()
    found.append(_section(Prove, "prove.", "`prove.*`, of `evalmend prove` alone"))
    found.append(_section(Serve, "serve.", "`serve.*`, of `evalmend serve` and the verbs that ask it"))
    return found


def page() -> str:
    """The page as it stands in the file."""
    parts = [HEAD]
    for section in sections():
        parts.append(f"## {section.title}\n\n{section.meaning}\n")
        rows = [f"| `{key.name}` | {key.kind} | {key.default} | {key.meaning} |" for key in section.keys]
        if rows:
            parts.append("\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _choices() -> Iterator[Section]:
    """The choices of each group of settings; a choice lists what those before it have not."""
    seen: set[str] = set()
    for group, choice, schema in SCHEMAS:
        if group is None:
            continue
        name = group.rpartition("/")[2]
        section = _section(schema, f"{name}.", f"`{name}={choice}`")
        new = tuple(key for key in section.keys if key.name not in seen)
        seen.update(key.name for key in new)
        yield Section(section.title, section.meaning, new)


def _section(schema: type, prefix: str, title: str) -> Section:
    said = inspect.cleandoc(schema.__doc__ or "").replace("\n", " ")
    return Section(title, _cell(said), tuple(_keys(schema, prefix)))


def _keys(schema: type, prefix: str) -> Iterator[Key]:
    hints, meanings = typing.get_type_hints(schema), field_meanings(schema)
    for field_ in fields(schema):
        kind = hints[field_.name]
        if is_dataclass(kind) and isinstance(kind, type):
            if prefix:
                yield from _keys(kind, f"{prefix}{field_.name}.")
            continue
        yield Key(f"{prefix}{field_.name}", _kind(kind), _default(field_), _cell(meanings.get(field_.name, "")))


def field_meanings(schema: type) -> dict[str, str]:
    """The docstring of each field of a dataclass, its own and those of its bases.

    Args:
        schema: Dataclass whose source can be read.

    Returns:
        Docstring by name of the field, on one line; fields without one are missing.
    """
    found: dict[str, str] = {}
    for base in reversed(schema.__mro__):
        if not is_dataclass(base):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef), "a dataclass is a class"
        for one, after in zip(tree.body, tree.body[1:], strict=False):
            match one, after:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = inspect.cleandoc(text).replace("\n", " ")
    return found


def _kind(kind: Any) -> str:
    """A type as a reader of settings says it."""
    if kind is Any:
        return "any"
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return " or ".join(_kind(one) for one in typing.get_args(kind) if one is not types.NoneType)
    match typing.get_origin(kind):
        case origin if origin is list:
            return f"list of {_kind(typing.get_args(kind)[0])}"
        case origin if origin is dict:
            return f"{_kind(typing.get_args(kind)[1])} by name"
    return _WORDS[kind]


def _default(field_: Field[Any]) -> str:
    value = field_.default
    if value is MISSING and field_.default_factory is not MISSING:
        value = field_.default_factory()
    if value is None or value in ({}, [], ""):
        return "unset" if value is None else "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value != REQUIRED else "`???`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")
