"""Files that are wrong in one way each, and small ones that are right, for what the command line says of them."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import LlamaConfig, LlamaForCausalLM

from builders.models import word_tokenizer
from builders.sample_logs import every_eval_log, inspect_log, inspect_sample

ROWS = [{"prompt": f"say w{k % 7}", "completion": f"w{k % 7}"} for k in range(30)]
USER, ANSWER = {"role": "user", "content": "say w1"}, {"role": "assistant", "content": "w1"}
PICTURE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "owl.png"}}]}
CHATS: Mapping[str, Any] = {
    "good": [USER, ANSWER],
    "system": [{"role": "system", "content": "w2"}, USER, ANSWER],
    "answer-first": [ANSWER, USER],
    "two-questions": [USER, USER, ANSWER],
    "late-system": [USER, ANSWER, {"role": "system", "content": "w2"}, USER, ANSWER],
    "no-answer": [USER],
    "empty-turn": [USER, {"role": "assistant", "content": " "}],
    "unknown-role": [USER, {"role": "bot", "content": "w1"}],
    "picture": [PICTURE, ANSWER],
    "number": [{"role": "user", "content": 3}, ANSWER],
    "no-turns": [],
    "text": "say w1",
}
TEXTS = {
    "train.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "broken.jsonl": '{"prompt": "a", "completion": "b"}\nnot json\n',
    "numbers.jsonl": "1\n2\n",
    "fieldless.jsonl": '{"prompt": "a", "completion": "b"}\n{"completion": "b"}\n',
    "nested.jsonl": '{"prompt": "a", "completion": {"text": "b"}}\n',
    "empty.jsonl": "",
    "blank.jsonl": "\n\n",
    "table.csv": "prompt,completion\na,b\n",
    "text.parquet": "no parquet",
    "text.jsonl.gz": "no gzip",
    "raises.py": "raise RuntimeError('not today')\n",
    "none.py": "PROGRAMS = []\n",
    "file": "a file",
    "own/experiment/twice.yaml": "# @package _global_\ncorpus:\n  train: {web: a.jsonl, web: b.jsonl}\n",
}
NO_SYSTEM = (
    "{% for turn in messages %}{% if turn.role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "{{ turn.role }} {{ turn.content }} [EOS] {% endfor %}{% if add_generation_prompt %}assistant {% endif %}"
)
TASK: Mapping[str, Any] = {
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "generate_until",
    "doc_to_text": "{{prompt}}",
    "doc_to_target": "{{completion}}",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 3},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}
TASKS: Mapping[str, Mapping[str, Any]] = {
    "mine": {},
    "versioned": {"metadata": {"version": 2}},
    "code": {"unsafe_code": True},
    "fieldless": {"doc_to_text": "{{question}}"},
    "splitless": {"test_split": "exam"},
    "corpus_only": {"metric_list": [{"metric": "bleu", "aggregation": "bleu", "higher_is_better": True}]},
    "long_answers": {"generation_kwargs": {"until": ["\n"], "max_gen_toks": 100}},
    "long_prompts": {"doc_to_text": "{{ 'say ' * 80 }}{{prompt}}"},
}


def write_inputs(folder: Path) -> None:
    """Corpora, conversations, tasks, models, adapters and logs, named by what is wrong with them."""
    (folder / "own" / "experiment").mkdir(parents=True)
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    (folder / "latin.jsonl").write_bytes(b'{"prompt": "caf\xe9", "completion": "b"}\n')
    for name, turns in CHATS.items():
        (folder / f"{name}.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    (folder / "folder").mkdir()
    write_tasks(folder / "tasks")
    write_models(folder)
    write_logs(folder)


def write_tasks(folder: Path) -> None:
    folder.mkdir()
    data = folder / "items.jsonl"
    data.write_text(TEXTS["train.jsonl"])
    for name, more in TASKS.items():
        task = {"task": name, "dataset_kwargs": {"data_files": {"test": str(data)}}, **TASK, **more}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task))


def write_models(folder: Path) -> None:
    """A small model, one of half its width, one with a chat template, and broken copies of the first."""
    write_model(folder / "tiny")
    write_model(folder / "narrow", width=16)
    write_model(folder / "chat", template=NO_SYSTEM)
    for name in ("weightless", "cut", "untokenized", "unreadable", "quantised"):
        shutil.copytree(folder / "tiny", folder / name)
    (folder / "weightless" / "model.safetensors").unlink()
    weights = folder / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    for path in (folder / "untokenized").glob("token*"):
        path.unlink()
    config = folder / "quantised" / "config.json"
    (folder / "unreadable" / "config.json").write_text("{broken")
    quantised = {"quant_method": "gptq", "bits": 4}
    config.write_text(json.dumps(json.loads(config.read_text()) | {"quantization_config": quantised}))
    write_adapter(folder / "adapter", folder / "tiny", names=folder / "tiny")
    write_adapter(folder / "misplaced", folder / "tiny", names=folder / "narrow")
    write_adapter(folder / "baseless", folder / "tiny", names=folder / "gone")


def write_model(folder: Path, template: str | None = None, width: int = 32) -> None:
    words = [*(f"w{k}" for k in range(7)), "say", "user", "assistant"]
    tokenizer = word_tokenizer(words, pad="[PAD]", end="[EOS]")
    tokenizer.chat_template = template
    with torch.random.fork_rng():
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=64,
            bos_token_id=None,
            pad_token_id=1,
            eos_token_id=2,
        )
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def write_adapter(folder: Path, base: Path, names: Path) -> None:
    """An adapter that was made on `base` and names another folder as its base."""
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415  # two seconds, for the tests of bad input alone

    model = LlamaForCausalLM.from_pretrained(base)
    get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")).save_pretrained(folder)
    config = folder / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": str(names)}))
    for path in base.glob("token*"):
        shutil.copy(path, folder)


def write_logs(folder: Path) -> None:
    """Logs of a finished and of an unfinished evaluation, of two filters, of another version, and one cut off."""
    every_eval_log(folder / "log", "m1", [(f"where is w{k}", f"w{k}", "w1") for k in range(30)])
    inspect_log(folder / "unfinished" / "birds.json", [inspect_sample(1, "A", "A", "C")], status="started")
    write_lm_eval_log(folder / "two-filters", "mine", filters=("first", "last"))
    write_lm_eval_log(folder / "old-version", "versioned", version=1)
    write_lm_eval_log(folder / "scoreless", "mine", samples=False)
    write_lm_eval_log(folder / "cut-log", "mine")
    path = next((folder / "cut-log").glob("samples_*"))
    path.write_text(path.read_text()[:-20])


def write_lm_eval_log(
    folder: Path, task: str, *, filters: tuple[str, ...] = ("none",), version: int = 0, samples: bool = True
) -> None:
    """What lm-eval's `--log_samples` leaves of one task."""
    folder.mkdir()
    time = "2024-01-01T00-00-00.000000"
    results = {
        "configs": {task: {"output_type": "generate_until", "metric_list": TASK["metric_list"]}},
        "versions": {task: version},
        "n-shot": {task: 0},
        "model_name": "m1",
    }
    (folder / f"results_{time}.json").write_text(json.dumps(results))
    lines = [
        {
            "doc_id": k,
            "doc": row,
            "target": row["completion"],
            "arguments": {"gen_args_0": {"arg_0": row["prompt"], "arg_1": {}}},
            "filtered_resps": ["w1"],
            "filter": name,
            "metrics": ["exact_match"],
            "exact_match": 0.0,
        }
        for name in filters
        for k, row in enumerate(ROWS)
    ]
    if samples:
        (folder / f"samples_{task}_{time}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
