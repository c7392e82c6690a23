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
from controller.prove.settings import ProveSettings
from controller.prove.varied import varied
from controller.settings import LoopSettings
from controller.train.settings import ScratchModel
from evals.fixtures.worlds.world import World

TEMPLATE = Path(evals.fixtures.worlds.__file__).parent / "task.yaml"
_ACCURACY = {"metric": "acc", "aggregation": "mean", "higher_is_better": True}
_LIKELIHOOD = {
    "output_type": "loglikelihood",
    "doc_to_target": "{{' ' + completion}}",
    "target_delimiter": "",
    "metric_list": [_ACCURACY],
}
"""The harness puts no delimiter between a prompt and an answer whose likelihood alone is asked."""


def write_ground(planted: Planted, world: World, folder: Path) -> None:
    """Write rows and tasks under `folder`."""
    write_rows(folder / TRAIN, planted.train)
    if planted.pool:
        write_rows(folder / POOL, planted.pool)
    for name, rows in planted.items.items():
        task = f"{world.name}_{name}"
        file = folder / TASKS / f"{task}.jsonl"
        write_rows(file, rows)
        config = yaml.safe_load(TEMPLATE.read_text()) | {
            "task": task,
            "dataset_kwargs": {"data_files": {"test": str(file)}},
        }
        if world.choices:
            config |= {
                "output_type": "multiple_choice",
                "doc_to_choice": list(world.choices),
                "metric_list": [_ACCURACY],
            }
        elif world.is_likelihood:
            config |= _LIKELIHOOD
        (folder / TASKS / f"{task}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def loop_settings(settings: ProveSettings, world: World, folder: Path, run_dir: Path) -> LoopSettings:
    """Make the settings of the loop on what `write_ground` left in `folder`."""
    of_loop = {one.name: getattr(settings, one.name) for one in fields(LoopSettings)}
    scenario, train = settings.prove.scenario, settings.train
    if train.max_steps is not None and scenario.steps_share < 1:
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
        ),
        evals=replace(
            settings.evals,
            tasks=[f"{world.name}_{skill.name}" for skill in world.skills],
            guards=[f"{world.name}_{OTHERS}"],
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
    write_rows(file, rows)
    return replace(given, corpus=replace(given.corpus, train=str(file), pool=None), run_dir=str(run_dir))
