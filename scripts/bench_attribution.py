"""Quality, cost and memory of the attribution engine.

    python scripts/bench_attribution.py FIXTURE --out scores.npz --json [--checkpoints 1|2|5|all] [--seed 0]
        [--projection-dim 16]

Quality: FIXTURE holds `corpus.npz` (token rows and labels of training and queries), `training.json` (learning
rates) and `checkpoint-epoch<n>/`. `scores.npz` gets `effect` and `retrieval`, [num_train, num_queries], and
`defect`, the loss of each training row at the last checkpoint, for the fixture's own `score.py`.

Cost: seconds to score 2,000 random sequences of 64 tokens for 50 queries with one checkpoint of a Llama of 1.2 M
parameters, over the seconds of a plain forward and backward pass with weight gradients in the same batches of 32;
the median of 5 pairs, the two taken in turns. In all, that times the number of checkpoints: each is a pass of its own.
Other libraries stand beside it in `bench_peers.py`, in an environment of their own.

Memory: highest resident memory of the same, over that of training with AdamW; each in a process of its own, what the
imports take subtracted.

The last line is one JSON object.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from diagnose.attribution.influence import Influence
from diagnose.attribution.scorer import prepared
from diagnose.attribution.stream import attribute
from diagnose.model.checkpoint import Checkpoint
from diagnose.model.queries import weighted_rows
from diagnose.rows.tokens import TokenRows, collate, token_rows
from evals.model_ref import ModelRef

NUM_ROWS, NUM_STEPS, NUM_QUERIES, BATCH_ROWS, VOCAB = 2000, 64, 50, 32, 512
NUM_PAIRS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixture", type=Path)
    parser.add_argument("--out", type=Path, default=Path("scores.npz"))
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    parser.add_argument(
        "--checkpoints", choices=("1", "2", "5", "all"), default="2", help="last; middle and last; last five; all"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--projection-dim", type=int, default=Influence().projection_dim)
    parser.add_argument("--peak-of", choices=("training", "attribution"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()
    if arguments.peak_of:
        print(peak_bytes(arguments.peak_of, arguments.projection_dim))
        return
    num_checkpoints, seconds = write_scores(
        arguments.fixture, arguments.out, arguments.checkpoints, arguments.seed, arguments.projection_dim
    )
    if not arguments.json:
        print(f"{arguments.out}: scores of {num_checkpoints} checkpoints in {seconds:.1f} s")
    ratios = cost_ratios(arguments.projection_dim)
    peaks = {
        kind: peak_of_process(arguments.fixture, kind, arguments.projection_dim) for kind in ("training", "attribution")
    }
    out = {
        "checkpoints": num_checkpoints,
        "fixture_seconds": round(seconds, 2),
        "cost_ratio": round(num_checkpoints * statistics.median(ratios), 3),
        "per_checkpoint": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "memory_ratio": round(peaks["attribution"] / peaks["training"], 3),
        "peak_bytes": peaks,
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(out))


def write_scores(fixture: Path, out: Path, which: str, seed: int, projection_dim: int) -> tuple[int, float]:
    """Scores of the fixture; returns the number of checkpoints and the seconds."""
    corpus = np.load(fixture / "corpus.npz")
    rates = json.loads((fixture / "training.json").read_text())["learning_rates"]
    every = range(1, len(rates) + 1)
    epochs = {"1": every[-1:], "2": [len(rates) // 2, len(rates)], "5": every[-5:], "all": every}[which]
    checkpoints = [
        Checkpoint(ModelRef(str(fixture / f"checkpoint-epoch{epoch}")), rates[epoch - 1]) for epoch in epochs
    ]
    queries = token_rows(corpus["query_ids"], corpus["query_labels"])
    train = token_rows(corpus["train_ids"], corpus["train_labels"])
    start = time.perf_counter()
    influence = Influence(projection_dim=projection_dim)
    scores = attribute(influence, checkpoints, weighted_rows(queries, np.eye(len(queries))), train, seed).whole()
    seconds = time.perf_counter() - start
    np.savez(out, effect=scores.effect, retrieval=scores.retrieval, defect=scores.losses[-1])
    return len(checkpoints), seconds


def cost_ratios(projection_dim: int) -> list[float]:
    """Attribution over a plain pass, in seconds, pair by pair."""
    train, queries = workload()
    plain_model, attributed_model = make_model(), make_model()
    plain_pass(plain_model, train, NUM_ROWS // 10)  # neither pays for the first touch of memory and kernels
    attribute_once(attributed_model, train.select(range(NUM_ROWS // 10)), queries, projection_dim)
    ratios = []
    for _ in range(NUM_PAIRS):
        start = time.perf_counter()
        plain_pass(plain_model, train, NUM_ROWS)
        middle = time.perf_counter()
        attributed_model.requires_grad_(True)
        attribute_once(attributed_model, train, queries, projection_dim)
        ratios.append((time.perf_counter() - middle) / (middle - start))
    return ratios


def peak_of_process(fixture: Path, kind: str, projection_dim: int) -> int:
    command = [sys.executable, __file__, str(fixture), "--peak-of", kind, "--projection-dim", str(projection_dim)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_bytes(kind: str, projection_dim: int) -> int:
    """Growth of this process's highest resident memory over training or attributing once."""
    before = resident_peak()
    train, queries = workload()
    model = make_model()
    if kind == "training":
        optimizer = torch.optim.AdamW(model.parameters())
        plain_pass(model, train, NUM_ROWS, optimizer)
    else:
        attribute_once(model, train, queries, projection_dim)
    return resident_peak() - before


def resident_peak() -> int:
    """Highest resident memory so far, bytes. `ru_maxrss` would start at the parent's, which exec hands down."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def workload() -> tuple[TokenRows, TokenRows]:
    ids = np.random.default_rng(0).integers(0, VOCAB, size=(NUM_ROWS + NUM_QUERIES, NUM_STEPS)).tolist()
    rows = token_rows(ids, ids)
    return rows.select(range(NUM_ROWS)), rows.select(range(NUM_ROWS, NUM_ROWS + NUM_QUERIES))


def make_model() -> PreTrainedModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=NUM_STEPS,
        use_cache=False,
    )
    return LlamaForCausalLM(config)


def attribute_once(model: PreTrainedModel, train: TokenRows, queries: TokenRows, projection_dim: int) -> None:
    influence = Influence(projection_dim=projection_dim, batch_tokens=BATCH_ROWS * NUM_STEPS)
    with prepared(model, weighted_rows(queries, np.eye(len(queries))), train, influence, seed=0) as scorer:
        scorer.score(train, start=0)


def plain_pass(
    model: PreTrainedModel, train: TokenRows, num_rows: int, optimizer: torch.optim.Optimizer | None = None
) -> None:
    for start in range(0, num_rows, BATCH_ROWS):
        batch = collate(train, range(start, min(start + BATCH_ROWS, num_rows)), pad_id=0)
        # No mask where nothing is padded: the faster path, as attribution takes it.
        model(input_ids=batch["input_ids"], labels=batch["labels"]).loss.backward()
        if optimizer is not None:
            optimizer.step()
        model.zero_grad()


if __name__ == "__main__":
    main()
