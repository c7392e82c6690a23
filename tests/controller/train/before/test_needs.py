"""Estimates of a training's memory and disk against files and shapes."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders.models import llama
from builders.recipes import plain_recipe
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedModel

from controller.train.before.needs import training_needs
from controller.train.settings import Lora
from evals.model_ref import ModelRef, weight_files

RECIPE = plain_recipe()


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return llama(200, 64, num_layers=3)


@pytest.fixture(scope="module")
def saved(model: PreTrainedModel, tmp_path_factory: pytest.TempPathFactory) -> ModelRef:
    folder = tmp_path_factory.mktemp("model")
    model.save_pretrained(folder)
    return ModelRef(str(folder), None, "float32")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in weight_files(folder))


def test_a_model_takes_as_much_disk_as_its_file(saved: ModelRef) -> None:
    assert training_needs(saved, RECIPE, 16).model_on_disk == pytest.approx(size_of(Path(saved.path)), rel=0.02)


def test_an_adapter_takes_as_much_disk_as_its_file_and_only_it_has_moments(saved: ModelRef, tmp_path: Path) -> None:
    lora = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    get_peft_model(llama(200, 64, num_layers=3), lora).save_pretrained(tmp_path)
    needs = training_needs(saved, replace(RECIPE, lora=Lora(r=4)), 16)
    assert needs.model_on_disk == pytest.approx(size_of(tmp_path), rel=0.1)  # the names of its many parts count
    assert needs.optimizer == 3 * needs.model_on_disk


def test_adamw_and_gradients_take_three_times_the_weights(saved: ModelRef, model: PreTrainedModel) -> None:
    needs = training_needs(saved, RECIPE, 16)
    assert needs.weights == 4 * model.num_parameters()
    assert needs.optimizer == 3 * needs.weights


def test_activations_and_logits_grow_with_the_tokens_of_a_batch_and_no_row_is_longer_than_is_allowed(
    saved: ModelRef,
) -> None:
    short, long = training_needs(saved, RECIPE, 8), training_needs(saved, RECIPE, 100)
    assert (long.activations, long.logits) == (2 * short.activations, 2 * short.logits)
    assert long.logits == 3 * 4 * (4 * 16) * 200
    assert training_needs(saved, replace(RECIPE, bf16=True), 8).activations == short.activations / 2
    assert training_needs(saved, replace(RECIPE, activation_checkpointing=True), 8).activations == short.activations / 3
