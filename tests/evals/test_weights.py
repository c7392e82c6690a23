"""A base in memory once, whatever stands on it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from evals import weights
from evals.model_ref import CausalModel, ModelRef
from evals.weights import own_model, shared_model

WORDS = ["one two three four five six"]
IDS = torch.tensor([[3, 4, 5, 6]])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the models that are read from disk, in order."""
    paths: list[str] = []
    real = transformers.AutoModelForCausalLM.from_pretrained

    def counting(path: str, **settings: object) -> CausalModel:
        paths.append(str(path))
        return real(path, **settings)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", counting)
    weights._KEPT.clear()
    return paths


def adapter(base: Path, folder: Path, seed: int) -> ModelRef:
    """An adapter that changes what the base says."""
    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=2, init_lora_weights=False, task_type="CAUSAL_LM")
    )
    model.save_pretrained(folder)
    return ModelRef(str(base), adapter=str(folder))


def test_two_adapters_at_once_answer_as_each_alone_and_their_base_is_read_once(
    tiny_model_dir: Callable[..., Path], tmp_path: Path, read: list[str]
) -> None:
    base = tiny_model_dir(WORDS)
    refs = [adapter(base, tmp_path / str(seed), seed) for seed in (1, 2)]
    with torch.no_grad():
        alone = []
        for ref in refs:
            weights._KEPT.clear()
            alone.append(shared_model(ref)(IDS).logits)
        plain = own_model(ModelRef(str(base)))(IDS).logits
        read.clear()
        models = [shared_model(ref) for ref in refs]
        assert all(torch.equal(model(IDS).logits, logits) for model, logits in zip(models, alone, strict=True))
        assert torch.equal(shared_model(ModelRef(str(base)))(IDS).logits, plain)
        assert not torch.equal(alone[0], plain)
    assert read == [str(base)]


def test_a_base_takes_its_memory_once_and_its_tied_weights_stay_tied(
    tiny_model_dir: Callable[..., Path], read: list[str]
) -> None:
    ref = ModelRef(str(tiny_model_dir(WORDS)))
    first, second = shared_model(ref), shared_model(ref)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert one is not other
        assert one.data_ptr() == other.data_ptr()
    assert first.get_input_embeddings().weight is first.get_output_embeddings().weight
    assert len(read) == 1


def test_a_folder_with_other_weights_by_now_is_read_again(tiny_model_dir: Callable[..., Path], read: list[str]) -> None:
    ref = ModelRef(str(tiny_model_dir(WORDS)))
    before = shared_model(ref)(IDS).logits
    tiny_model_dir(WORDS, seed=1)
    assert not torch.equal(shared_model(ref)(IDS).logits, before)
    assert len(read) == 2


def test_what_is_trained_shares_nothing(tiny_model_dir: Callable[..., Path], read: list[str]) -> None:
    ref = ModelRef(str(tiny_model_dir(WORDS)))
    shared, own = shared_model(ref), own_model(ref)
    before = shared.get_input_embeddings().weight.clone()
    with torch.no_grad():
        own.get_input_embeddings().weight.zero_()
    assert torch.equal(shared.get_input_embeddings().weight, before)
    assert len(read) == 2
