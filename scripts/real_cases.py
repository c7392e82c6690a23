"""Real data with a planted fault, diagnosed and held against the truth: python scripts/real_cases.py [CASE ...]

SCAN (Lake and Baroni 2018) and question classification (Li and Roth 2002) are read from `--root`, the folder of
`scan/` and `trec_qc/` as JSONL; a model is trained from nothing on each case, measured and diagnosed, and what was
found is printed beside what was planted. Stages are kept in `--work`, so a stopped run goes on. About ten minutes for
each SCAN case on one core, three for TREC.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from real_faults import CASES, Ground
from sklearn.metrics import roc_auc_score

from controller.cli.compose import composed
from controller.data.mixes import load_pool
from controller.engine import logs
from controller.loop.diagnosing import diagnose_round
from controller.loop.models import base_model, initial_model, measure_model
from controller.loop.pilots.causes import settle_causes
from controller.loop.proposing import propose_round
from controller.loop.run import opened
from controller.train.start import load_tokenizer
from diagnose.finding.finding import Diagnosis
from diagnose.finding.outcome import concluded
from diagnose.model.losses import row_losses
from diagnose.rows.pool import ContentIds
from diagnose.rows.rendering import encode_pool
from evals.items import EvalReport
from evals.splits import Split
from interventions.plan.attempts import Attempts

ARCH = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
COMMON = (
    "model=scratch",
    "model.tokenizer=word",
    *(f"++model.arch.{name}={value}" for name, value in ARCH.items()),
    "train.per_device_train_batch_size=64",
    "train.learning_rate=1e-3",
    "train.warmup_steps=0.05",
    "train.max_length=64",
    "evals.batch_size=256",
)

WRITTEN = {
    "output_type": "generate_until",
    "generation_kwargs": {"until": ["\n"], "max_gen_toks": 26, "do_sample": False},
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("runs/real"))
    options = parser.parse_args()
    if not (options.root / "scan").is_dir():
        raise SystemExit(f"--root must hold scan/ and trec_qc/, got {options.root}; see the docstring")
    if unknown := [name for name in options.cases if name not in CASES]:
        raise SystemExit(f"CASE must be of {', '.join(CASES)}, got {unknown[0]}")
    logs.quiet_libraries()
    for name in options.cases or CASES:
        folder = (options.work / name).absolute()
        print(f"{name}: {play(name, CASES[name](options.root), folder)}", flush=True)


def play(name: str, ground: Ground, folder: Path) -> str:
    """Train, measure, diagnose, propose; what was found beside the truth, in words."""
    settings = composed([*write(ground, name, folder / "given"), f"name={name}", f"run_dir={folder}"])
    with opened(settings, folder) as run:
        model = initial_model(run, base_model(run))
        probe = measure_model(run, model, Split.PROBE, "measure-probe")
        diagnosed = settle_causes(run, model, probe, diagnose_round(run, model, probe), 0)
        proposal = propose_round(run, model, diagnosed, Attempts(), 0)
    tried = [f"{f.slice}: {concluded(f)}" for f in diagnosed.diagnosis.findings if f.experiments]
    told = [f"{f.slice} {f.cause.value} ({f.causes[f.cause]:.2f})" for f in diagnosed.diagnosis.findings]
    changes = ", ".join(action.kind for action in proposal.plan.actions) or "nothing"
    first = diagnosed.diagnosis.findings[0].cause.value if told else "none"
    verdict = "right" if first in ground.causes else f"WRONG, should be {' or '.join(ground.causes)}"
    lists = held_against(ground, diagnosed.diagnosis, probe.report)
    if ground.wrong_rows:
        rows = load_pool(model.corpus.folder)
        encoded = encode_pool(rows, load_tokenizer(model.ref), 64)
        losses = row_losses(model.ref, encoded, batch_tokens=8192).per_token
        lists += f" (plain loss {roc_auc_score(_is_wrong(ground), losses):.3f})"
    costs, train = run.books.costs(), settings.train
    drawn = (train.max_steps or 0) * train.per_device_train_batch_size
    passes = costs["diagnose"].flops / costs["train_initial"].flops * drawn / len(ground.train)
    found = [*told, f"changes {changes}{lists}", f"costs {passes:.2f} passes over the corpus", *tried]
    return f"{verdict}; {'; '.join(found)}"


def held_against(ground: Ground, diagnosis: Diagnosis, probe: EvalReport) -> str:
    """What the findings point at, beside what was planted."""
    parts = []
    if ground.wrong_items:
        prompt_of = {r.item.key: r.item.prompt for r in probe.results}
        doubted = [test for finding in diagnosis.findings for test in finding.tests if test.test == "golds"]
        named = {prompt_of[key] for test in doubted for key in test.items}
        planted = ground.wrong_items & set(prompt_of.values())
        hits = len(named & planted)
        precision, recall = hits / max(len(named), 1), hits / len(planted)
        parts.append(f"doubted golds: precision {precision:.3f}, recall {recall:.3f} of {len(planted)}")
    if ground.wrong_rows:
        parts.append(_defects(ground, diagnosis))
    if ground.copies:
        test = "overlap" if "contamination" in ground.causes else "copies"
        rows = {row for finding in diagnosis.findings for one in finding.tests if one.test == test for row in one.rows}
        parts.append(f"{len(rows)} rows named of {ground.copies} planted")
    return "".join(f"; {part}" for part in parts)


def _defects(ground: Ground, diagnosis: Diagnosis) -> str:
    """How well the rows whose label is doubted first are the wrong ones, with the rest behind them at random; and by
    plain loss."""
    order = [row for finding in diagnosis.findings for one in finding.tests if one.test == "labels" for row in one.rows]
    ids = ContentIds().take([row["prompt"] for row in ground.train], [row["completion"] for row in ground.train])
    is_wrong = _is_wrong(ground)
    place = {row: number for number, row in enumerate(dict.fromkeys(order))}
    score = np.array([-place.get(row, len(place)) for row in ids], float)
    named = np.array([row in place for row in ids])
    return (
        f"{int(named.sum())} rows named, {is_wrong[named].mean():.3f} of them wrong; of the wrong "
        f"{named[is_wrong].mean():.3f} are named; defect AUC {roc_auc_score(is_wrong, score):.3f}"
    )


def _is_wrong(ground: Ground) -> NDArray[np.bool_]:
    return np.array([k in ground.wrong_rows for k in range(len(ground.train))])


def _offered(choices: Sequence[str]) -> dict[str, object]:
    metric = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
    return {"output_type": "multiple_choice", "doc_to_choice": list(choices), "metric_list": [metric]}


def write(ground: Ground, name: str, folder: Path) -> list[str]:
    """Files of a case in `folder`; the settings that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, rows in (("train", ground.train), ("pool", ground.pool), ("items", ground.items)):
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "items.jsonl")}},
        "test_split": "test",
        "doc_to_text": ground.doc_to_text,
        "doc_to_target": "{{completion}}",
        "target_delimiter": " ",
        **(_offered(ground.choices) if ground.choices else WRITTEN),
    }
    (folder / "tasks").mkdir(exist_ok=True)
    (folder / "tasks" / f"{name}.yaml").write_text(yaml.safe_dump(task, sort_keys=False))
    return [
        "corpus=files",
        f"corpus.train={folder / 'train.jsonl'}",
        *([f"corpus.pool={folder / 'pool.jsonl'}"] if ground.pool else []),
        "corpus.prompt=prompt",
        "corpus.completion=completion",
        f"evals.tasks=[{name}]",
        f"evals.include_path={folder / 'tasks'}",
        *COMMON,
        *ground.overrides,
    ]


if __name__ == "__main__":
    main()
