"""Recipes: named experiments of the server's own configuration, each with the fields that a request may set.

A recipe is a YAML file in `recipes/` of the home, written by whoever runs the server. Nothing of a request reaches the
command line but the values of these fields, each a number in its bounds, true or false, a short name or one of a list.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, create_model, model_validator
from pydantic import Field as Rule

import controller

CONF = Path(controller.__file__).parents[1] / "conf"
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""What a name may be: it begins with a letter or digit and has no slash, no space and no quote."""
RECIPE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
OWN_KEYS = frozenset({"run_dir", "experiment", "nightly.name", "nightly.date"})
"""Keys that the service sets itself."""
LONGEST_SHOWN = 60
"""Most characters of a refused value that its refusal repeats."""

Value = int | float | bool | str


class UnknownRecipe(ValueError):  # noqa: N818  # what was asked for is
    """There is no recipe of the name."""


class Field(BaseModel):
    """What a request may say in one field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["int", "float", "bool", "name", "choice"]
    key: str = Rule(pattern=r"^[a-z_]+(\.[a-z_]+)*$")
    """Key of the loop's settings that the value is given to."""
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()
    about: str = ""

    @model_validator(mode="after")
    def check(self) -> Self:
        is_number = self.type in ("int", "float")
        if is_number != (self.min is not None) or is_number != (self.max is not None):
            raise ValueError("int and float need min and max, other types have neither")
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("choice needs choices, other types have none")
        if wrong := [choice for choice in self.choices if not re.fullmatch(NAME, choice)]:
            raise ValueError(f"choices must be names of letters, digits, '_', '.' and '-', got {wrong[0]!r}")
        if self.key in OWN_KEYS:
            raise ValueError(f"key {self.key} is set by the service")
        return self

    def word(self, value: Value) -> str:
        """Word of the command line, `key=value`, of a value that was checked."""
        if self.type == "bool":
            return f"{self.key}={str(value).lower()}"
        # Hydra reads null, true or 1e5 as what they look like, and a name is a text, whatever it looks like.
        return f"{self.key}='{value}'" if self.type == "name" else f"{self.key}={value}"

    @property
    def annotation(self) -> tuple[Any, Any]:
        """Type and rules of the value, as pydantic takes them."""
        match self.type:
            case "int":
                return int | None, Rule(None, ge=self.min, le=self.max)
            case "float":
                return float | None, Rule(None, ge=self.min, le=self.max, allow_inf_nan=False)
            case "bool":
                return bool | None, None
            case "name":
                return str | None, Rule(None, pattern=f"^{NAME}$")
            case "choice":
                return Literal[self.choices] | None, None


class Recipe(BaseModel):
    """A named experiment and the fields that a request may set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str = Rule(pattern=f"^{NAME}$")
    """File of `conf/experiment/`, or of `experiment/` in `config_dir`."""
    config_dir: str | None = None
    """Folder with files of one's own, as after `--config-dir`; relative to the recipes."""
    about: str = ""
    words: tuple[str, ...] = ()
    """Further settings, `key=value`, that every loop of the recipe has."""
    fields: Mapping[str, Field] = {}

    @model_validator(mode="after")
    def check(self) -> Self:
        for word in self.words:
            key, mark, _ = word.partition("=")
            if not mark or word.startswith("-") or key.lstrip("+~") in OWN_KEYS:
                raise ValueError(f"words must be key=value, and not of {', '.join(sorted(OWN_KEYS))}, got {word!r}")
        return self


def known_recipes(folder: Path) -> list[str]:
    """Names of the recipes, in order."""
    return sorted(path.stem for path in folder.glob("*.yaml") if RECIPE_NAME.fullmatch(path.stem))


def read_recipe(folder: Path, name: str) -> Recipe:
    """Read the recipe of a name.

    Raises:
        UnknownRecipe: there is none.
        ValueError: its file is wrong.
    """
    known = known_recipes(folder)
    if name not in known:
        near = get_close_matches(name[:LONGEST_SHOWN], known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known) or 'none'}"
        raise UnknownRecipe(f"unknown recipe {shown(name)}; {hint}")
    path = folder / f"{name}.yaml"
    try:
        recipe = Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ValueError(f"recipe {path} cannot be read: {first_line(error)}") from error
    folders = [CONF, *([folder / recipe.config_dir] if recipe.config_dir is not None else [])]
    if not any((one / "experiment" / f"{recipe.experiment}.yaml").is_file() for one in folders):
        raise ValueError(f"recipe {path} names the experiment {recipe.experiment}, which is no file of conf/experiment")
    return recipe


def checked(recipe: Recipe, fields: Mapping[str, object]) -> dict[str, Value]:
    """Values by field, each of its field's type and within its bounds.

    Args:
        recipe: Recipe that is asked for.
        fields: Values as a request has them; texts are read as what the field takes.

    Raises:
        ValueError: the recipe opens no such field, or its value is not what the field takes.
    """
    for name in fields:
        if name not in recipe.fields:
            opens = ", ".join(sorted(recipe.fields)) or "no field"
            raise ValueError(f"the recipe opens no field {shown(name)}; it opens {opens}")
    rules: dict[str, Any] = {name: field.annotation for name, field in recipe.fields.items()}
    try:
        values = create_model("Request", __config__=ConfigDict(extra="forbid"), **rules).model_validate(dict(fields))
    except ValidationError as error:
        wrong = error.errors()[0]
        field = str(wrong["loc"][0])
        raise ValueError(f"field {field}: {wrong['msg']}, got {shown(fields[field])}") from error
    found: dict[str, Value | None] = values.model_dump(exclude_unset=True)
    return {name: value for name, value in found.items() if value is not None}


def words_of(recipe: Recipe, values: Mapping[str, Value], folder: Path) -> list[str]:
    """Words of the command line of a loop.

    Args:
        recipe: Recipe that is asked for.
        values: Values by field, which were checked.
        folder: Folder of the recipes.
    """
    options = [] if recipe.config_dir is None else ["--config-dir", str((folder / recipe.config_dir).resolve())]
    opened = [recipe.fields[name].word(value) for name, value in sorted(values.items())]
    return [*options, f"experiment={recipe.experiment}", *recipe.words, *opened]


def shown(value: object) -> str:
    """A value of a request as a message repeats it: on one line, not too long."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def first_line(error: Exception) -> str:
    """What was wrong, on one line."""
    if isinstance(error, ValidationError):
        wrong = error.errors()[0]
        return f"{'.'.join(str(part) for part in wrong['loc'])}: {wrong['msg']}".removeprefix(": ")
    return " ".join(str(error).split())
