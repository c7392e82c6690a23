"""Check a model that a user names or describes, before anything long is done with it.

Only configurations, names and shapes of weights, and tokenizers are read; a model is built without memory at most.
"""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.quantizers import AutoHfQuantizer

from controller.train.settings import Lora, PretrainedModel
from evals.model_ref import CausalModel, weight_files
from evals.validation import first_line

ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

_CONFIG_ERRORS = (
    AssertionError,
    KeyError,
    RuntimeError,
    StrictDataclassError,
    TypeError,
    ValueError,
    ZeroDivisionError,
)
"""What building a model raises where the fields of its config do not fit."""


def check_arch(arch: Mapping[str, Any]) -> None:
    """Check `model.arch`.

    Raises:
        ValueError: transformers does not know the model type or a field, which it would ignore, or cannot build the
            model.
    """
    model_type = arch.get("model_type", "llama")
    if model_type not in CONFIG_MAPPING:
        near = get_close_matches(str(model_type), list(CONFIG_MAPPING.keys()), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"model.arch.model_type '{model_type}' is not known to transformers{hint}")
    default = CONFIG_MAPPING[model_type]()
    known = {"model_type", *default.to_dict(), *default.attribute_map}
    for name in arch:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ValueError(f"model.arch.{name} is not a field of a {model_type} config{hint}")
    fields = {name: value for name, value in arch.items() if name != "model_type"}
    try:
        without_memory(AutoConfig.for_model(model_type, **fields))
    except _CONFIG_ERRORS as error:
        given = ", ".join(f"{name}={value}" for name, value in fields.items())
        raise ValueError(
            f"model.arch describes no {model_type} that can be built, got {given}: {first_line(error)}"
        ) from error


def check_pretrained(settings: PretrainedModel) -> None:
    """Check `model=pretrained`.

    Raises:
        ValueError: as in `check_model` for a name, or no module is named by `model.lora.target_modules`.
    """
    check_model("model.name", settings.name, settings.revision)
    for name in settings.checkpoints:
        check_model("model.checkpoints", name, settings.revision)
    _check_targets(settings)


def check_trainable(settings: PretrainedModel) -> None:
    """Raise a ValueError where the weights of a quantised model would have to be trained."""
    config = AutoConfig.from_pretrained(settings.name, revision=settings.revision)
    if settings.lora.r is None and getattr(config, "quantization_config", None) is not None:
        raise ValueError(
            f"model.name {settings.name} is quantised, and quantised weights cannot be trained; set model.lora.r=8 to "
            "train an adapter on them, or name the model with weights in full precision"
        )


def check_model(key: str, name: str, revision: str | None = None) -> None:
    """Check that a folder or hub id holds a model with a tokenizer.

    Args:
        key: Setting that names it, for messages.
        name: Folder or hub id.
        revision: Revision of a hub id.

    Raises:
        ValueError: there is none, its weights are missing or cut off, it holds an adapter alone, or it is quantised
            for a library that is not there.
    """
    folder = Path(name)
    if folder.is_file():
        raise ValueError(f"{key} must be a folder or a hub id, got the file {name}; name the folder that holds it")
    if (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file():
        raise ValueError(
            f"{key} {name} holds an adapter and no model; merge it into its base (merge_and_unload of peft) and name "
            "the folder of the result"
        )
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise ValueError(f"{key} {name} is a folder without config.json, so not a model that transformers loads")
    if not folder.exists() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise ValueError(f"{key} {name} does not exist (looked from {Path.cwd()})")
    try:
        config = AutoConfig.from_pretrained(name, revision=revision)
    except (OSError, ValueError, StrictDataclassError) as error:
        raise ValueError(f"{key} {name} is not a model that transformers loads: {first_line(error)}") from error
    if folder.is_dir():
        _check_weights(key, folder)
    _check_quantisation(key, name, config)
    _check_tokenizer(key, name, revision)


def check_scored(key: str, name: str) -> None:
    """Check a model that is only asked, which may be an adapter with its tokenizer.

    Raises:
        ValueError: as in `check_model`, or the adapter was made for another base than it names.
    """
    folder = Path(name)
    if (folder / ADAPTER_CONFIG).is_file():
        _check_adapter(key, folder)
        _check_tokenizer(key, name, None)
    else:
        check_model(key, name)


def without_memory(config: Any) -> CausalModel:
    """Build the model of a config with weights that have shapes and no values."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def _check_weights(key: str, folder: Path) -> None:
    files = weight_files(folder)
    if not files:
        raise ValueError(f"{key} {folder} has a config and no weights (*.safetensors, *.bin); copy them there")
    for path in files:
        if path.suffix == ".bin":  # of no form that can be checked without reading it whole
            continue
        try:
            with safe_open(path, framework="pt"):
                pass
        except SafetensorError as error:
            raise ValueError(
                f"{key}: {path} is no whole file of weights ({first_line(error)}); copy or download it again"
            ) from error


def _check_quantisation(key: str, name: str, config: Any) -> None:
    settings = getattr(config, "quantization_config", None)
    if settings is None:
        return
    try:
        AutoHfQuantizer.from_config(settings, pre_quantized=True).validate_environment()
    except (ImportError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"{key} {name} is quantised, and cannot be loaded here: {first_line(error)}; install what is missing, or "
            "name the model with weights in full precision"
        ) from error


def _check_tokenizer(key: str, name: str, revision: str | None) -> None:
    try:
        AutoTokenizer.from_pretrained(name, revision=revision)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"{key} {name} has no tokenizer that transformers loads: {first_line(error)}; put the files of its "
            "tokenizer beside the weights"
        ) from error


def _check_targets(settings: PretrainedModel) -> None:
    wanted = settings.lora.target_modules
    if settings.lora.r is None or wanted == Lora.target_modules:
        return
    names = [name for name, _ in without_memory(_config(settings.name, settings.revision)).named_modules()]
    if not any(re.fullmatch(wanted, name) for name in names):
        known = sorted({name.rpartition(".")[2] for name in names} - {""})
        raise ValueError(
            f"model.lora.target_modules must match the whole name of a module, got {wanted!r}; for example "
            f"'.*q_proj'; names of {settings.name} end in {', '.join(part for part in known if not part.isdigit())}"
        )


def _check_adapter(key: str, folder: Path) -> None:
    """Check that the shapes of an adapter are those of the base that it names."""
    named = json.loads((folder / ADAPTER_CONFIG).read_text())["base_model_name_or_path"]
    try:
        model = without_memory(_config(named, None))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{key} {folder} is an adapter on {named}, which transformers does not load: {first_line(error)}; put the "
            f"base there, or its place in base_model_name_or_path of {ADAPTER_CONFIG}"
        ) from error
    sizes = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as weights:
        for name in weights.keys():  # noqa: SIM118  # it is no dictionary
            module, is_factor, _ = name.partition(".lora_A.")
            size = sizes.get(f"{module.removeprefix('base_model.model.')}.weight")
            inputs = weights.get_slice(name).get_shape()[-1]
            if is_factor and (size is None or size[-1] != inputs):
                raise ValueError(
                    f"{key} {folder} is an adapter of another base than {named}, which it names: "
                    f"{module.removeprefix('base_model.model.')} has {inputs} inputs in the adapter and "
                    f"{'is missing' if size is None else size[-1]} in the base; set base_model_name_or_path of "
                    f"{ADAPTER_CONFIG} to the model that it was trained on"
                )


def _config(name: str, revision: str | None) -> Any:
    return AutoConfig.from_pretrained(name, revision=revision)
