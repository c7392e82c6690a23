"""Tokens per second of training through Trainer against a bare PyTorch loop over the same batches.

    python scripts/bench_train.py [--pairs 3] [--json]

Both train the same Llama (3 layers, width 128) on the same rows in the same order, batch 64, rows of 8 to 40
tokens, collated as they go. Interleaved pairs on a noisy machine: the median of the ratios counts.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer, get_scheduler

from controller.engine.logs import quiet_libraries
from controller.engine.workers.progress import Progress
from controller.train.recipe import Draws, Recipe
from controller.train.sampling import draw_order
from controller.train.settings import ScratchModel
from controller.train.start import build_scratch
from controller.train.trainer import train_on
from diagnose.rows.pool import TrainPool
from diagnose.rows.tokens import collate, encode
from evals.model_ref import ModelRef
from interventions.mix.mix import original_mix

BATCH, STEPS = 64, 100
RECIPE = Recipe(
    length=Draws(BATCH * STEPS),
    learning_rate=1e-3,
    per_device_train_batch_size=BATCH,
    gradient_accumulation_steps=1,
    max_length=64,
    end_in_loss=True,
    lr_scheduler_type="linear",
    warmup_steps=0,
    weight_decay=0.0,
    max_grad_norm=1.0,
    bf16=False,
    activation_checkpointing=False,
    lora=None,
)
ARCH = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


def corpus() -> TrainPool:
    rng = np.random.default_rng(0)
    prompts = [" ".join(f"w{i}" for i in rng.integers(0, 50, rng.integers(4, 20))) for _ in range(4000)]
    rows = {
        "id": [str(i) for i in range(len(prompts))],
        "source": ["bench"] * len(prompts),
        "prompt": prompts,
        "completion": [" ".join(reversed(prompt.split())) for prompt in prompts],
    }
    return TrainPool(Dataset.from_dict(rows))


def bare_loop(model_dir: Path, pool: TrainPool) -> tuple[float, int]:
    """Seconds and tokens: what anybody would write by hand, with a DataLoader."""
    start = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    rows = encode(pool.rows["prompt"][:], pool.rows["completion"][:], tokenizer, " ", 64)
    order = draw_order(np.full(len(pool), 1 / len(pool)), BATCH * STEPS, seed=0)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    schedule = get_scheduler("linear", optimizer, 0, STEPS)
    loader = DataLoader(
        order.tolist(), batch_size=BATCH, collate_fn=lambda ids: collate(rows, ids, tokenizer.pad_token_id)
    )
    for batch in loader:
        model(**{name: tensor.to(device) for name, tensor in batch.items()}).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, int(rows.lengths[order].sum())


def through_trainer(model_dir: Path, pool: TrainPool, folder: Path) -> tuple[float, int]:
    start = time.perf_counter()
    ref = ModelRef(str(model_dir), dtype="float32")
    done = train_on(ref, original_mix(pool), RECIPE, 0, folder, keeps_middle=False, progress=Progress(folder))
    return time.perf_counter() - start, done.num_tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    quiet_libraries()
    torch.set_num_threads(options.threads)
    pool = corpus()
    ratios, speeds = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_scratch(ScratchModel(arch=ARCH, tokenizer="word"), pool, 64, folder / "model", seed=0)
        bare_loop(folder / "model", pool)  # warm-up: imports, caches
        for pair in range(options.pairs):
            bare_s, tokens = bare_loop(folder / "model", pool)
            ours_s, our_tokens = through_trainer(folder / "model", pool, folder / f"run-{pair}")
            assert our_tokens == tokens, "both train on the same rows"
            ratios.append(bare_s / ours_s)
            speeds.append((tokens / bare_s, tokens / ours_s))
            speed = f"bare {tokens / bare_s:,.0f} tokens/s, Trainer {tokens / ours_s:,.0f}"
            print(f"pair {pair + 1}: {speed}, ratio {bare_s / ours_s:.3f}")
    result = {
        "ratio": statistics.median(ratios),
        "low": min(ratios),
        "high": max(ratios),
        "pairs": len(ratios),
    }
    print(json.dumps(result) if options.json else f"median ratio {result['ratio']:.3f}")


if __name__ == "__main__":
    main()
