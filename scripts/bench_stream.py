"""Attribution over ever more rows: peak memory must stay, time must grow in proportion.

    python scripts/bench_stream.py [--rows 100000 1000000] [--json]

Rows of 64 tokens are made when they are read, and scored for 5 queries at one checkpoint of a tiny Llama; scores go to
files. Each size runs in a process of its own. Peak is the highest resident memory, all of it; the exponent is that of
time over rows between the first size and the last. About six minutes on 2 cores.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import LlamaConfig, LlamaForCausalLM, set_seed

from diagnose.attribution.influence import Influence
from diagnose.attribution.stream import attribute
from diagnose.model.checkpoint import Checkpoint
from diagnose.model.queries import weighted_rows
from diagnose.rows.tokens import TokenRows
from evals.model_ref import ModelRef

NUM_STEPS, VOCAB, NUM_QUERIES = 64, 64, 5


class MadeRows:
    """Rows whose tokens are a function of their number; none is kept."""

    def __init__(self, num_rows: int) -> None:
        self._num_rows = num_rows

    def __len__(self) -> int:
        return self._num_rows

    def select(self, indices: NDArray[np.int64]) -> TokenRows:
        cells: NDArray[np.uint64] = (indices[:, None] * NUM_STEPS + np.arange(NUM_STEPS)).astype(np.uint64)
        mixed = np.multiply(cells ^ (cells >> 7), 0x9E3779B97F4A7C15, dtype=np.uint64)  # wraps: a multiplicative hash
        ids = ((mixed >> 33) % VOCAB).astype(np.int32).ravel()
        offsets = np.arange(len(indices) + 1, dtype=np.int64) * NUM_STEPS
        return TokenRows(ids, np.ones(len(ids), bool), offsets, np.zeros(len(indices), bool))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(stream(options.one)))
        return
    sizes = sorted(options.rows)
    found = [in_process(rows, is_quiet=options.json) for rows in sizes]
    first, last = found[0], found[-1]
    print(
        json.dumps(
            {
                "rows": sizes,
                "peak_bytes": [int(one["peak"]) for one in found],
                "seconds": [round(one["seconds"], 1) for one in found],
                "memory_ratio": round(last["peak"] / first["peak"], 3),
                "time_exponent": round(math.log(last["seconds"] / first["seconds"]) / math.log(sizes[-1] / sizes[0]), 3)
                if len(sizes) > 1
                else None,
            }
        )
    )


def in_process(num_rows: int, *, is_quiet: bool) -> dict[str, float]:
    command: Sequence[str] = [sys.executable, __file__, "--one", str(num_rows)]
    stderr = subprocess.DEVNULL if is_quiet else None
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=stderr, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def stream(num_rows: int) -> dict[str, float]:
    """Peak resident memory in bytes, and seconds of the pass."""
    set_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=NUM_STEPS,
    )
    with tempfile.TemporaryDirectory() as folder:
        LlamaForCausalLM(config).save_pretrained(Path(folder) / "model")
        queries = weighted_rows(MadeRows(NUM_QUERIES).select(np.arange(NUM_QUERIES)), np.eye(NUM_QUERIES))
        checkpoint = Checkpoint(ModelRef(str(Path(folder) / "model")), 1.0)
        start = time.perf_counter()
        with tqdm(total=num_rows, unit=" rows", desc=f"{num_rows:,} rows", mininterval=5) as bar:
            attribution = attribute(
                Influence(),
                [checkpoint],
                queries,
                MadeRows(num_rows),
                0,
                folder=Path(folder) / "scores",
                report_progress=lambda done, _total: bar.update(done - bar.n),
            )
        num_scored = sum(len(part) for part in attribution.parts())
        assert num_scored == num_rows, "every row has a score"
        seconds = time.perf_counter() - start
    status = Path("/proc/self/status").read_text()
    return {"peak": int(status.split("VmHWM:")[1].split()[0]) * 1024, "seconds": seconds}


if __name__ == "__main__":
    main()
