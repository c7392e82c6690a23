"""Random two-layer models on disk, and lm-eval task folders written by the test that needs them."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from builders.models import word_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)


@pytest.fixture
def tiny_model_dir(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder with a random Llama of 2 layers, width 32, and a tokenizer of the given words.

    `words` is any iterable of texts; their whitespace-separated words become the vocabulary, after
    [UNK], [PAD] and [EOS]. The weights depend on `seed` only; float32.
    """

    def make(words: Iterable[str], seed: int = 0, max_length: int = 64, name: str = "model") -> Path:
        vocabulary = dict.fromkeys(word for text in words for word in text.split())
        tokenizer = word_tokenizer(vocabulary, pad="[PAD]", end="[EOS]")
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=max_length,
            initializer_range=0.5,  # far from uniform, so that ties and near ties are rare
            bos_token_id=None,
            pad_token_id=1,
            eos_token_id=2,
            tie_word_embeddings=True,
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = LlamaForCausalLM(config)
        folder = tmp_path / name
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make


@pytest.fixture
def task_dir(tmp_path: Path) -> Callable[..., Path]:
    """Adds an lm-eval task to a folder: a JSONL file of documents and a YAML file; returns the folder.

    `settings` are keys of the YAML file; the documents become the split `test`.
    """

    def add(task: str, documents: Iterable[Mapping[str, Any]], settings: Mapping[str, Any]) -> Path:
        folder = tmp_path / "tasks"
        folder.mkdir(exist_ok=True)
        data = folder / f"{task}.jsonl"
        data.write_text("".join(json.dumps(document) + "\n" for document in documents))
        config = {
            "task": task,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(data)}},
            "test_split": "test",
            **settings,
        }
        (folder / f"{task}.yaml").write_text(yaml.safe_dump(config))
        return folder

    return add


@pytest.fixture(autouse=True)
def _no_shared_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets are cached below the test run's own folder."""
    cache = tmp_path_factory.getbasetemp() / "datasets"
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", cache)
