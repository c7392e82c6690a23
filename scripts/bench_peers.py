"""Other attribution libraries and evalmend on one fixture, with one loss, one thread and one clock.

    pip install -e '.[bench]'
    python scripts/bench_peers.py FIXTURE --out docs/proof/attribution/peers.json [--only PACKAGE ...] [--resume]

Quality: scores of the fixture at its last checkpoint, or summed over the last five, held against retraining by
FIXTURE/score.py. evalmend's own are what `bench_attribution.py` writes.

Cost: seconds for the speed workload of `bench_attribution.py` with one checkpoint, files and factors included, over a
plain forward and backward pass timed right before; the median of at most 3 pairs, a new one begun within a minute of
the first, times the number of checkpoints. Seconds are the processor's, not the wall's: with one thread they are the
same on an idle machine, and on a shared one the others' do not count.

Each part is a process of its own and lands in the JSON when it is done; `--resume` leaves out what is there. With a
torch for the CPU, uninstall torchvision and torchaudio first: two libraries ask for them, none uses them here, and
the builds that come with them break the import of transformers.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_attribution import NUM_ROWS, attribute_once, make_model, plain_pass, workload, write_scores
from fixture_judge import judged, trivial
from numpy.typing import NDArray
from peers_report import Results, draw, table
from transformers import PreTrainedModel

from controller.engine.versions import code_version
from diagnose.model.checkpoint import load_model
from diagnose.rows.tokens import TokenRows, token_rows
from evals.model_ref import ModelRef

MAX_PAIRS, MAX_SECONDS = 3, 60
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Method:
    label: str
    package: str
    num_checkpoints: int
    scores: Callable[[Path], Array]
    """Of a fixture, [num_train, num_queries]."""

    @property
    def name(self) -> str:
        return f"{self.label}, {self.num_checkpoints} checkpoint{'s' if self.num_checkpoints > 1 else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixture", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=sorted(RATIOS), nargs="*", help="packages")
    parser.add_argument("--resume", action="store_true", help="keep what --out has")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        torch.set_num_threads(1)
        run_part(arguments.fixture, arguments.out, arguments.part)
        return
    empty: Results = {"versions": {}, "cost_ratios": {}, "quality": {}, "not_installed": []}
    known = json.loads(arguments.out.read_text()) if arguments.resume and arguments.out.exists() else empty
    write(arguments.out, of_versions(known, {package: installed(package) for package in RATIOS}))
    parts = [(method.package, method.name) for method in METHODS] + [(package, package) for package in RATIOS]
    wanted = [part for part in parts if arguments.only is None or part[0] in arguments.only]
    failed = [part for package, part in wanted if not run(arguments.fixture, arguments.out, package, part)]
    results = json.loads(arguments.out.read_text())
    print(table(results))
    if arguments.picture:
        draw(results, arguments.picture)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def of_versions(results: Results, versions: dict[str, str | None]) -> Results:
    """Without what another version of a package, evalmend's own code among them, has left."""
    kept = {package for package, text in versions.items() if text and results["versions"].get(package) == text}
    return results | {
        "versions": {package: text for package, text in versions.items() if text},
        "not_installed": [package for package, text in versions.items() if not text],
        "cost_ratios": {package: ratios for package, ratios in results["cost_ratios"].items() if package in kept},
        "quality": {name: figures for name, figures in results["quality"].items() if figures["package"] in kept},
    }


def installed(package: str) -> str | None:
    try:
        return code_version() if package in OWN_COLUMNS else version(package)
    except PackageNotFoundError:
        return None


def run(fixture: Path, out: Path, package: str, part: str) -> bool:
    """Whether the part's results are in `out` now, or its package is named as missing there."""
    results = json.loads(out.read_text())
    if package in results["not_installed"] or part in results["cost_ratios"] or part in results["quality"]:
        return True
    command = [sys.executable, __file__, str(fixture), "--out", str(out), "--part", part]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    print(f"{part}: {'done' if done.returncode == 0 else done.stderr[-2000:]}", flush=True)
    return done.returncode == 0


def run_part(fixture: Path, out: Path, part: str) -> None:
    """Costs of a package, or the quality of a method."""
    if part in RATIOS:
        ratios = [round(ratio, 3) for ratio in RATIOS[part]()]
        results = json.loads(out.read_text())
        results["cost_ratios"][part] = ratios
    else:
        (method,) = (method for method in METHODS if method.name == part)
        start = time.perf_counter()
        figures = judged(fixture, method.scores(fixture))
        seconds = round(time.perf_counter() - start, 1)
        results = json.loads(out.read_text())
        parameters = {"package": method.package, "label": method.label, "num_checkpoints": method.num_checkpoints}
        results["quality"][part] = parameters | {"seconds": seconds} | figures
        results["trivial"] = trivial(fixture)
    write(out, results)


def peer_scores(adapter: str, num_checkpoints: int, fixture: Path) -> Array:
    """Summed over the last checkpoints."""
    corpus = np.load(fixture / "corpus.npz")
    train = token_rows(corpus["train_ids"], corpus["train_labels"])
    queries = token_rows(corpus["query_ids"], corpus["query_labels"])
    num_epochs = len(json.loads((fixture / "training.json").read_text())["learning_rates"])
    total: Array = np.zeros((len(train), len(queries)))
    for epoch in range(num_epochs - num_checkpoints + 1, num_epochs + 1):
        model = load_model(ModelRef(str(fixture / f"checkpoint-epoch{epoch}")))
        with tempfile.TemporaryDirectory() as folder:
            total += loaded(adapter).score(model, train, queries, Path(folder))
    return total


def cost_ratios(once: Callable[[PreTrainedModel, TokenRows, TokenRows], object]) -> list[float]:
    """Seconds of one checkpoint over those of a plain pass, pair by pair."""
    train, queries = workload()
    plain_model = make_model()
    plain_pass(plain_model, train, NUM_ROWS // 10)  # does not pay for the first touch of memory and kernels
    ratios: list[float] = []
    begin = time.perf_counter()
    while len(ratios) < MAX_PAIRS and (not ratios or time.perf_counter() - begin < MAX_SECONDS):
        model = make_model()  # some libraries wrap its layers for good
        start = time.process_time()
        plain_pass(plain_model, train, NUM_ROWS)
        middle = time.process_time()
        once(model, train, queries)
        ratios.append((time.process_time() - middle) / (middle - start))
    return ratios


def peer_ratios(adapter: str) -> list[float]:
    score = loaded(adapter).score  # its import is not timed
    with tempfile.TemporaryDirectory() as folder:
        return cost_ratios(
            lambda model, train, queries: score(model, train, queries, Path(tempfile.mkdtemp(dir=folder)))
        )


def loaded(adapter: str) -> Any:
    """By name, for whoever lacks a library still measures the others."""
    return importlib.import_module(f"attribution_peers.{adapter}")


def own_scores(which: str, projection_dim: int, fixture: Path) -> Array:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.npz"
        write_scores(fixture, path, which, seed=0, projection_dim=projection_dim)
        effect: Array = np.load(path)["effect"]
        return effect


def write(out: Path, results: Results) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=1) + "\n")


ADAPTERS = {
    "dattri": ("dattri LoGra", "dattri_logra"),
    "bergson": ("bergson TrackStar", "bergson_trackstar"),
    "captum": ("captum TracInCP", "captum_tracin"),
    "kronfluence": ("kronfluence EK-FAC", "kronfluence_ekfac"),
    "traker": ("TRAK", "trak_margin"),
}
OWN_COLUMNS = {"evalmend": 16, "evalmend, 32 columns": 32}
RATIOS: dict[str, Callable[[], list[float]]] = {
    **{name: partial(cost_ratios, partial(attribute_once, projection_dim=dim)) for name, dim in OWN_COLUMNS.items()},
    **{package: partial(peer_ratios, adapter) for package, (_, adapter) in ADAPTERS.items()},
}
METHODS = [
    Method(name, name, num, partial(own_scores, which, dim))
    for name, dim in OWN_COLUMNS.items()
    for num, which in ((1, "1"), (2, "2"), (5, "5"), (6, "all"))
] + [
    Method(label, package, num_checkpoints, partial(peer_scores, adapter, num_checkpoints))
    for package, (label, adapter) in ADAPTERS.items()
    for num_checkpoints in (1, 5)
]


if __name__ == "__main__":
    main()
