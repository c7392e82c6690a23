"""Write what the loop is given: files of a corpus, a pool and tasks, and settings that name them and nothing else.

The scenario stays with the prover: neither the files nor the settings that the loop gets hold its name, its defects or
its truth.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import yaml

import evals.fixtures.worlds
from controller.data.corpus import Corpus
from controller.data.named_corpus import POOL, TASKS, TRAIN, write_rows
from controller.prove.planting import OTHERS, Planted, Row
from controller.prove.scores import guard_of, tasks_of
from controller.prove.settings import ProveSettings
from controller.prove.varied import varied
from controller.settings import LoopSettings
from controller.train.settings import ScratchModel
from evals.fixtures.worlds.world import World

TEMPLATE = Path(evals.fixtures.worlds.__file__).parent / "task.yaml"
_ACCURACY = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
_LIKELIHOOD: dict[str, object] = {
    "output_type": "loglikelihood",
    "doc_to_target": "{{' ' + completion}}",
    "target_delimiter": "",
    "metric_list": [_ACCURACY],
}
"""The harness puts no delimiter between a prompt and an answer whose likelihood alone is asked."""
_PLAIN_TEXT: dict[str, object] = {
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": "{{text}}",
    "metric_list": [{"metric": "word_perplexity", "aggregation": "weighted_perplexity", "higher_is_better": False}],
}
TEXT = "text"
"""Field of a plain text."""


def write_ground(planted: Planted, world: World, folder: Path) -> None:
    """Write rows and tasks under `folder`."""
    write_rows(folder / TRAIN, _in_form(planted.train, world.asking is None))
    if planted.pool:
        write_rows(folder / POOL, _in_form(planted.pool, world.asking is None))
    for task, rows in _items(planted, world).items():
        file = folder / TASKS / f"{task}.jsonl"
        write_rows(file, _in_form(rows, world.asking is None))
        named = {"task": task, "dataset_kwargs": {"data_files": {"test": str(file)}}}
        config = yaml.safe_load(TEMPLATE.read_text()) | named | _asked(world)
        (folder / TASKS / f"{task}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _items(planted: Planted, world: World) -> dict[str, Sequence[Row]]:
    """Items of each task, the guard among them."""
    if world.asking is not None:
        return {f"{world.name}_{name}": rows for name, rows in planted.items.items()}
    (task,) = tasks_of(world)
    together = [row for name, rows in planted.items.items() if name != OTHERS for row in rows]
    return {task: together, guard_of(world): planted.items[OTHERS]}


def _asked(world: World) -> dict[str, object]:
    """What a task file has in the place of the template's, which asks for written answers."""
    if world.asking is None:
        return _PLAIN_TEXT
    if world.asking.choices:
        choices = list(world.asking.choices)
        return {"output_type": "multiple_choice", "doc_to_choice": choices, "metric_list": [_ACCURACY]}
    return _LIKELIHOOD if world.asking.output_type == "loglikelihood" else {}


def _in_form(rows: Sequence[Row], is_plain_text: bool) -> Sequence[Row]:
    """Rows as they are written: with prompt and completion, or with both as one text."""
    if not is_plain_text:
        return rows
    return [
        {TEXT: f"{row['prompt']} {row['completion']}"}
        | {name: value for name, value in row.items() if name not in ("prompt", "completion")}
        for row in rows
    ]


def as_read(world: World, pair: tuple[str, str]) -> tuple[str, str]:
    """Prompt and completion of a planted row as a reader of its file has them: a plain text has no prompt."""
    return pair if world.asking is not None else ("", world.item_text(*pair))


def loop_settings(settings: ProveSettings, world: World, folder: Path, run_dir: Path) -> LoopSettings:
    """Make the settings of the loop on what `write_ground` left in `folder`."""
    of_loop = {one.name: getattr(settings, one.name) for one in fields(LoopSettings)}
    scenario, train = settings.prove.scenario, settings.train
    if train.max_steps is not None and scenario.steps_share != 1:
        steps = max(1, round(scenario.scaled(scenario.steps_share) * train.max_steps))
        of_loop["train"] = replace(train, max_steps=steps)
    recipe = LoopSettings(**of_loop)
    return replace(
        varied(recipe, settings.seed, keeps_size=_is_too_small(settings)) if settings.prove.vary else recipe,
        name=f"{world.name}-{settings.seed}",
        corpus=Corpus(
            train=str(folder / TRAIN),
            pool=str(folder / POOL) if (folder / POOL).is_file() else None,
            slices=list(world.fields),
            text=TEXT if world.asking is None else None,
        ),
        evals=replace(
            settings.evals,
            tasks=tasks_of(world),
            guards=[guard_of(world)],
            include_path=str(folder / TASKS),
            slices=list(world.fields),
            templates={f"rule_{number}": list(patterns) for number, patterns in enumerate(world.same)},
        ),
        run_dir=str(run_dir),
    )


def _is_too_small(settings: ProveSettings) -> bool:
    """Whether the model is the one that is too small for the world."""
    small = settings.prove.small_arch
    arch = settings.model.arch if isinstance(settings.model, ScratchModel) else {}
    return bool(small) and all(arch.get(name) == size for name, size in small.items())


def on_rows(given: LoopSettings, rows: Sequence[Row], file: Path, run_dir: Path) -> LoopSettings:
    """Give the same recipe other rows, which are written to `file`; without a pool."""
    write_rows(file, _in_form(rows, given.corpus.text is not None))
    return replace(given, corpus=replace(given.corpus, train=str(file), pool=None), run_dir=str(run_dir))
