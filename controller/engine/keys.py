"""Key a stage by the code that its function runs and the arguments that it is called with, and nothing else.

The key is derived from the call itself, so there is no second list of inputs that could forget one. The part of an
argument that counts is defined with its type: a field with the metadata `evals.validation.FREE` does not change what is
computed, and a class with a property `determining` names what does.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from evals.validation import counted


def determining(value: Any) -> Any:
    """Return the part of an argument that determines the result of a stage, as JSON.

    Raises:
        TypeError: the value does not determine its content, such as a path.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value.value if isinstance(value, Enum) else value
        case Enum():
            return value.value
        case _ if hasattr(type(value), "determining"):
            return [_name(type(value)), determining(value.determining)]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return [_name(type(value)), {name: determining(each) for name, each in counted(value).items()}]
        case Mapping():
            return {str(key): determining(each) for key, each in value.items()}
        case Set():
            return sorted(determining(each) for each in value)
        case Sequence():
            return [determining(each) for each in value]
    raise TypeError(
        f"a {type(value).__name__} cannot stand in the key of a stage, got {value!r}; hand over an Artifact"
    )


def types_in(value: Any) -> Iterator[type]:
    """Yield classes of all objects in an argument: their methods are part of what a stage runs."""
    match value:
        case None | bool() | int() | float() | str():
            return
        case Mapping():
            for each in value.values():
                yield from types_in(each)
        case Sequence() | Set():
            for each in value:
                yield from types_in(each)
        case _ if is_dataclass(value) and not isinstance(value, type):
            yield type(value)
            for one in fields(value):
                yield from types_in(getattr(value, one.name))


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
