"""Whole loops on data that others made: does a fix help, and whom does it harm?

    python scripts/bench_others.py FOLDER [trec] [cad] [--shares 0 20 40] [--classes ENTY HUM DESC] [--seeds N]
    python scripts/bench_others.py FOLDER --table

FOLDER holds `trec_qc/` and `external/cad_sentiment/` (`scripts/others_data.py`). `trec`: each of the three largest
question classes in turn has twelve rows left in the corpus, and of the pool's rows of it 0, 20 and 40 % are other
questions; three seeds, 27 loops. `cad`: film reviews and their edits that turn the sentiment; five seeds. Every loop is
one that a user would start: tasks, corpus and pool, and no setting of diagnosis, fix or verdict.

When a loop is over, its starting model and its final champion are asked all `select` and `sealed` items, whatever the
loop says of itself; the result is kept in `docs/proof/others/<code version>/`. Kept results are not played again, and
the stages of a loop that was stopped are found in `--work`. A loop has four rounds at most, of some three minutes each
on 2 cores.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import yaml
from others_data import CAD, TREC, Case, cad, group_of, trec, trec_classes
from others_results import OTHERS, WHOLE, OthersResult, Played, Scored, read_result, row, table
from pydantic import TypeAdapter

from controller.cli.compose import composed
from controller.data.named_corpus import POOL, TRAIN, write_rows
from controller.engine import logs
from controller.engine.versions import code_version
from controller.loop.loop import run_loop
from controller.loop.models import base_model, initial_model, measure_models, read_champion
from controller.loop.run import Run, opened
from controller.results.loop_json import LoopResult, Round
from controller.settings import LoopSettings
from controller.stages.model import Model
from evals.splits import Split

SHARES = (0, 20, 40)
"""Of a hundred rows of the pool with the class's label, those of other classes."""
NUM_SEEDS = {TREC: 3, CAD: 5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    # argparse holds a default list itself against choices, so none given stands for all.
    parser.add_argument("data", nargs="*", choices=(TREC, CAD, []), metavar="DATA", help="trec or cad; both by default")
    parser.add_argument("--shares", nargs="*", type=int, default=SHARES, help="in percent")
    parser.add_argument("--classes", nargs="*", help="the three largest by default")
    parser.add_argument("--seeds", type=int, help="3 of trec and 5 of cad by default")
    parser.add_argument("--work", type=Path, default=Path("runs/others"))
    parser.add_argument("--out", type=Path, default=OTHERS)
    parser.add_argument("--version", default=code_version(), help="whose kept results the table has")
    parser.add_argument("--table", action="store_true", help="of what is kept; nothing is run")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="further settings of every loop")
    options = parser.parse_args()
    options.data = options.data or [TREC, CAD]
    logs.quiet_libraries()
    if not options.table:
        classes = options.classes or (trec_classes(options.folder) if TREC in options.data else [])
        for data, target, percent, seed in _wanted(options.data, classes, options.shares, options.seeds):
            kept = options.out / code_version() / f"{data}-{target}-{percent}-{seed}.json"
            if not kept.is_file():
                case = trec(options.folder, target, percent / 100, seed) if data == TREC else cad(options.folder)
                result = play(case, seed, options.work.absolute() / kept.stem, options.set)
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(TypeAdapter(OthersResult).dump_json(result, indent=1))
            print(row(read_result(kept)), flush=True)
    results = [read_result(path) for path in sorted((options.out / options.version).glob("*.json"))]
    if not results:
        raise SystemExit(f"no result of code version {options.version} in {options.out}; choose with --version")
    print(f"\nCode version `{options.version}`, {len(results)} loops.\n\n{table(results)}")


def _wanted(
    data: Sequence[str], classes: Sequence[str], shares: Sequence[int], num_seeds: int | None
) -> Iterator[tuple[str, str, int, int]]:
    """Data, target, share of others in percent, seed; a seed through all classes and shares before the next one."""
    for seed in range(max(num_seeds or NUM_SEEDS[name] for name in data)):
        if TREC in data and seed < (num_seeds or NUM_SEEDS[TREC]):
            yield from ((TREC, name, percent, seed) for percent in shares for name in classes)
        if CAD in data and seed < (num_seeds or NUM_SEEDS[CAD]):
            yield CAD, "revised", 0, seed


def play(case: Case, seed: int, folder: Path, further: Sequence[str]) -> OthersResult:
    """One loop, and what it left measured; a folder of its own, so that its ledger begins anew."""
    started = time.monotonic()
    words = write_case(case, folder / "given")
    settings = composed([*words, f"name={folder.name}", f"seed={seed}", f"run_dir={folder / 'run'}", *further])
    loop = run_loop(settings, None)
    before, after = _measured(settings, folder / "run", case.data)
    return OthersResult(
        data=case.data,
        target=case.target,
        wrong_share=case.wrong_share,
        seed=seed,
        rounds=tuple(_played(round_, case.data, folder / "run") for round_ in loop.rounds),
        before=before,
        after=after,
        sealed=_sealed(loop, case.data, folder / "run"),
        champion_round=loop.champion.round,
        stopped_because=loop.stopped_because,
        seconds=time.monotonic() - started,
        code_version=code_version(),
        settings=tuple(further),
    )


def write_case(case: Case, folder: Path) -> list[str]:
    """Files of a case in `folder`; the settings that name them."""
    write_rows(folder / TRAIN, case.train)
    write_rows(folder / POOL, case.pool)
    for name, items in case.tasks.items():
        file = folder / "tasks" / f"{name}.jsonl"
        write_rows(file, items)
        task = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(file)}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{prompt}}",
            "doc_to_target": "{{completion}}",
            "doc_to_choice": list(case.choices),
            "target_delimiter": " ",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
        (folder / "tasks" / f"{name}.yaml").write_text(yaml.safe_dump(task, sort_keys=False))
    return [
        "corpus=files",
        f"corpus.train={folder / TRAIN}",
        f"corpus.pool={folder / POOL}",
        f"evals.tasks=[{','.join(case.tasks)}]",
        f"evals.include_path={folder / 'tasks'}",
        *case.settings,
    ]


def _measured(settings: LoopSettings, run_dir: Path, data: str) -> tuple[Mapping[str, Scored], Mapping[str, Scored]]:
    """The model of round 0 and the final champion on all items that no diagnosis has read.

    The loop is over, so asking sealed items takes nothing from a judgement and no ledger needs to know.
    """
    with opened(settings, run_dir) as run:
        models = (initial_model(run, base_model(run)), read_champion(run_dir))
        start, champion = (_scores(run, model, data) for model in models)
    return start, champion


def _scores(run: Run, model: Model, data: str) -> Mapping[str, Scored]:
    found: list[tuple[str, float]] = []
    for split in (Split.SELECT, Split.SEALED):
        (measured,) = measure_models(run, [(f"others-{split}", model)], split, "verify")
        found += [(group_of(data, r.item.task, r.item.document), r.score) for r in measured.report.results]
    return _by_group(found)


def _played(played: Round, data: str, run_dir: Path) -> Played:
    findings, verdict = played.diagnosis.findings, played.verdict
    return Played(
        slice=findings[0].slice if findings else {},
        cause=findings[0].cause if findings else "",
        actions=tuple(action.kind for action in played.plan.actions),
        decision=str(verdict.decision),
        reason=verdict.reason or played.plan.reason,
        gain=verdict.gain.mean if verdict.gain is not None else None,
        arms=_arms(run_dir / "items-select.parquet", played.number, data),
    )


def _arms(path: Path, number: int, data: str) -> dict[str, Mapping[str, Scored]]:
    """Groups of every arm of a round; of one that was not judged none."""
    found: dict[str, list[tuple[str, float]]] = defaultdict(list)
    if path.is_file():
        for row in pq.read_table(path, filters=[("round", "=", number)]).to_pylist():
            found[row["arm"]].append((group_of(data, row["task"], json.loads(row["document"])), row["score"]))
    return {arm: _by_group(scores) for arm, scores in found.items()}


def _sealed(loop: LoopResult, data: str, run_dir: Path) -> dict[str, tuple[float, float]]:
    if loop.sealed is None:
        return {}
    arms = _arms(run_dir / "items-sealed.parquet", len(loop.rounds), data)
    return {group: (one.score, arms["champion"][group].score) for group, one in arms["start"].items()}


def _by_group(scores: Sequence[tuple[str, float]]) -> Mapping[str, Scored]:
    """Mean of each group and of all; an item that several seeds answered counts once for each."""
    found: dict[str, list[float]] = {WHOLE: [score for _, score in scores]}
    for group, score in scores:
        found.setdefault(group, []).append(score)
    return {group: Scored(float(np.mean(found[group])), len(found[group])) for group in sorted(found, reverse=True)}


if __name__ == "__main__":
    main()
