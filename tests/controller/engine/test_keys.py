"""Keys of stages: every argument that changes a result changes the key, and nothing else does."""

import contextlib
import copy
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from controller.engine.artifacts import Artifact
from controller.engine.keys import determining
from controller.engine.runner import Stage
from controller.stages.diagnose import diagnose
from controller.stages.measure import hash_items, measure
from controller.stages.propose import make_dose, propose, propose_reduced
from controller.stages.read import read_data
from controller.stages.retraining.retrain import choose_parts, retrain
from controller.stages.train import build, train
from diagnose.modes.examples import SHIPPED
from interventions.fixes.clean import Clean
from interventions.fixes.counter_examples import CounterExamples
from interventions.fixes.reformat import Reformat
from interventions.fixes.retrieve import Retrieve
from interventions.fixes.reweight import Reweight
from interventions.plan.step import Intervention
from interventions.planner import Auto

STAGES = (
    build,
    choose_parts,
    diagnose,
    hash_items,
    make_dose,
    measure,
    propose,
    propose_reduced,
    read_data,
    retrain,
    train,
)
FIXES = (Auto, Clean, CounterExamples, Reformat, Retrieve, Reweight)
OTHER_TEXT = str(SHIPPED)
"""A text that is also the path of a file of labels, for settings that name one."""


def a_value(kind: Any) -> Any:
    """Some value of an annotated type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return a_value(next(one for one in arguments if one is not types.NoneType))
    if kind is Intervention:
        return Auto()
    if kind is Any or origin is not None:
        return {} if origin is not None and issubclass(origin, Mapping) else ()
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if is_dataclass(kind):
        with contextlib.suppress(TypeError, ValueError):
            return typing.cast(type, kind)()  # all of it has defaults
        hints = typing.get_type_hints(kind)
        made = object.__new__(typing.cast(type, kind))
        for one in fields(kind):
            object.__setattr__(made, one.name, a_value(hints[one.name]))
        return made
    return {bool: False, int: 3, float: 0.5, str: "a", Path: Path("/a")}[kind]


def another(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case Enum():
            return next(one for one in type(value) if one is not value)
        case int() | float():
            return value + 1
        case str():
            return OTHER_TEXT
        case Path():
            return value / "b"
        case Mapping():
            return {**value, "b": 1}
    return (*value, "b")


def changes(value: Any, path: str = "", is_free: bool = False) -> Iterator[tuple[str, bool, Any]]:
    """Every field inside an argument changed once: where, whether it is declared free, and the argument with it."""
    if not is_dataclass(value):
        yield path, is_free, another(value)
        return
    hints = typing.get_type_hints(type(value))
    for one in fields(value):
        own = is_free or not one.metadata.get("determines", True)
        inner = getattr(value, one.name)
        found = changes(inner, f"{path}.{one.name}", own)
        if inner is None:
            found = iter(
                [(f"{path}.{one.name}", own, OTHER_TEXT if hints[one.name] == str | None else a_value(hints[one.name]))]
            )
        for where, free, changed in found:
            copied = copy.copy(value)
            object.__setattr__(copied, one.name, changed)
            yield where, free, copied


def arguments_of(function: Callable[..., Any]) -> list[Any]:
    hints = typing.get_type_hints(function)
    return [a_value(kind) for name, kind in hints.items() if name not in ("folder", "return")]


@pytest.mark.parametrize("function", STAGES, ids=lambda function: function.__name__)
def test_each_field_of_each_argument_changes_the_key_unless_it_is_declared_free(function: Callable[..., Any]) -> None:
    arguments = arguments_of(function)
    key = Stage("x", function, tuple(arguments)).key.digest
    places = 0
    for place, argument in enumerate(arguments):
        for where, is_free, changed in changes(argument):
            others = (*arguments[:place], changed, *arguments[place + 1 :])
            is_same = Stage("x", function, others).key.digest == key
            assert is_same == is_free, f"{type(argument).__name__}{where}"
            places += 1
    assert places >= len(arguments)


@pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.__name__)
def test_each_setting_of_each_fix_changes_the_key(fix: type) -> None:
    key = determining(fix())
    assert all(determining(changed) != key for _, _, changed in changes(fix()))


def test_two_kinds_of_the_same_settings_have_different_keys() -> None:
    assert len({str(determining(fix())) for fix in FIXES}) == len(FIXES)


def test_a_moved_run_keeps_its_keys() -> None:
    assert determining(Artifact(Path("/here"), "1f")) == determining(Artifact(Path("/there"), "1f"))


def test_a_bare_path_says_nothing_of_its_content_and_is_refused() -> None:
    with pytest.raises(TypeError, match="hand over an Artifact"):
        determining((1, Path("/a")))
