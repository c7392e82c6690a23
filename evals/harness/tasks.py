"""Build lm-eval's task objects from task names and configure them by the suite's settings.

Cost: milliseconds with `evals.include_path` alone, seconds with lm-eval's own 13,000 files.
"""

import difflib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import datasets
import yaml
from jinja2 import TemplateError
from lm_eval.api import metrics as lm_metrics
from lm_eval.api.task import Task
from lm_eval.tasks import TaskManager
from lm_eval.tasks._index import Kind
from lm_eval.tasks._yaml_loader import load_yaml
from transformers import GenerationConfig

from evals.harness.scoring.metrics import Metric, MetricKind, check_judged_by, may_judge
from evals.items import OutputType
from evals.suite import EvalSuite
from evals.validation import first_line, one_of

log = logging.getLogger(__name__)

# Tasks scored by latex parsing, which needs antlr4 4.11, while Hydra needs 4.9.
_MATH_EXTRA = ("minerva_math", "putnam_axiom", "leaderboard_math")

# What building a task raises when its files, its data or the hub are not as its YAML says.
_TASK_ERRORS = (
    StopIteration,  # what `datasets` makes of an empty JSONL file
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    TemplateError,
    datasets.exceptions.DatasetsError,
)

_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens", "max_length")
_NUMBERS = ("temperature", "top_p", "top_k", "min_p", "typical_p", "repetition_penalty")
"""Generation settings that are numbers: lengths of answers, and others."""

_LOG_LIKELIHOODS = (lm_metrics.perplexity, lm_metrics.weighted_perplexity, lm_metrics.bits_per_byte)
_LABEL_PAIRS = (lm_metrics.f1_score, lm_metrics.matthews_corrcoef)
_CORPUS_ONLY = (lm_metrics.bleu, lm_metrics.chrf, lm_metrics.chrfpp, lm_metrics.ter)


def find_tasks(suite: EvalSuite) -> TaskManager:
    """Index of every wanted task; leaves lm-eval's own out where the folder has all, since they take seconds."""
    wanted = [*suite.tasks, *suite.guards]
    if suite.include_path is not None:
        if not Path(suite.include_path).is_dir():
            raise ValueError(
                f"evals.include_path must be a folder of lm-eval YAML files, got {suite.include_path!r}, "
                "which is none; a relative path starts at the working directory"
            )
        manager = TaskManager(include_path=suite.include_path, include_defaults=False)
        if all(leaf in manager.task_index for name in wanted for leaf in _leaf_names(manager, name)):
            return manager
    _refuse_math_extra(wanted)
    manager = TaskManager(include_path=suite.include_path)
    for name in wanted:
        leaves = _leaf_names(manager, name)
        _refuse_math_extra(leaves)
        if unknown := [leaf for leaf in leaves if leaf not in manager.task_index]:
            near = difflib.get_close_matches(unknown[0], manager.all_tasks, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "`lm-eval ls tasks` lists lm-eval's own"
            raise ValueError(f"unknown task {unknown[0]!r}; {hint}{_unreadable_files(suite.include_path)}")
    return manager


def _refuse_math_extra(leaves: Sequence[str]) -> None:
    if math_tasks := [leaf for leaf in leaves if leaf.startswith(_MATH_EXTRA)]:
        raise ValueError(
            f"task {math_tasks[0]!r} needs antlr4 4.11 for its latex scoring, which Hydra excludes (it needs "
            "4.9); leave it out of evals.tasks and evals.guards, hendrycks_math has the same problems"
        )


def _leaf_names(manager: TaskManager, name: str) -> list[str]:
    """Leaf tasks of a group or tag, unknown ones too; tasks defined inside the group are not looked up."""
    entry = manager.task_index.get(name)
    if entry is None or entry.kind not in (Kind.GROUP, Kind.TAG):
        return [name]
    members = sorted(entry.tags) if entry.kind is Kind.TAG else entry.cfg.get("task", [])
    members = members if isinstance(members, list) else [members]
    names = [m if isinstance(m, str) else m.get("group", m.get("task")) for m in members]
    is_looked_up = [isinstance(m, str) or n in manager.task_index for m, n in zip(members, names, strict=True)]
    return [
        leaf for n, looked_up in zip(names, is_looked_up, strict=True) if looked_up for leaf in _leaf_names(manager, n)
    ]


def _unreadable_files(folder: str | None) -> str:
    """Name the task files that lm-eval silently skips, for the message about an unknown task."""
    found = ""
    for path in sorted(Path(folder).glob("**/*.yaml")) if folder else []:
        try:
            load_yaml(path, resolve_func=False)
        except (OSError, ValueError, yaml.YAMLError) as error:
            found += f"; {path} could not be read: {first_line(error)}"
    return found


def installed_version(task: str, include_path: str | None) -> str | None:
    """Version that the file of an installed task states; None where the task is not known or states none."""
    manager = TaskManager(include_path=include_path, include_defaults=False) if include_path is not None else None
    if manager is None or task not in manager.task_index:
        manager = _own_tasks()
    entry = manager.task_index.get(task)
    if entry is None or entry.yaml_path is None:
        return None
    version = (load_yaml(entry.yaml_path, resolve_func=False).get("metadata") or {}).get("version")
    return None if version is None else str(version)


@lru_cache(maxsize=1)
def _own_tasks() -> TaskManager:
    """Index of lm-eval's own tasks, once a process."""
    return TaskManager()


def load_tasks(manager: TaskManager, name: str) -> Mapping[str, Task]:
    with naming_the_task(name):
        leaves: Mapping[str, Task] = manager.load([name])["tasks"]
    return leaves


def configure(leaf: str, task: Task, suite: EvalSuite) -> None:
    """Put the suite's settings where lm-eval's own command line puts them."""
    if getattr(task, "UNSAFE_CODE", False):
        raise ValueError(f"task {leaf!r} runs code that the model wrote, which is not done here; leave it out")
    if getattr(task, "MULTIMODAL", False):
        raise ValueError(f"task {leaf!r} needs images or sound; only text is measured, leave it out")
    shots = task.get_config("num_fewshot")
    if suite.num_fewshot is not None and shots == 0 and suite.num_fewshot > 0:
        log.warning("evals.num_fewshot=%s: task %s is always asked without examples", suite.num_fewshot, leaf)
    elif suite.num_fewshot is not None or shots is None:
        task.set_config("num_fewshot", suite.num_fewshot or 0)
    check_gen_kwargs(suite.gen_kwargs)
    if suite.gen_kwargs and task.OUTPUT_TYPE == OutputType.GENERATE_UNTIL:
        task.set_config("generation_kwargs", dict(suite.gen_kwargs), update=True)
    if suite.max_gen_toks is not None and task.OUTPUT_TYPE == OutputType.GENERATE_UNTIL:
        kept = {k: v for k, v in (task.get_config("generation_kwargs") or {}).items() if k not in _LENGTHS}
        task.set_config("generation_kwargs", kept | {"max_gen_toks": suite.max_gen_toks})


def check_gen_kwargs(given: Mapping[str, object]) -> None:
    """Raise a ValueError for a generation setting that nothing reads, or that is no number where one belongs."""
    known = (*_LENGTHS, "until", *vars(GenerationConfig()))
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else "; those of transformers' GenerationConfig are"
            raise ValueError(f"evals.gen_kwargs.{name} is not a generation setting{hint}")
        if name in (*_LENGTHS, *_NUMBERS) and not (isinstance(value, int | float) and value >= 0):
            raise ValueError(f"evals.gen_kwargs.{name} must be a number and not negative, got {value!r}")


def settings_of_leaves(suite: EvalSuite, named: Mapping[str, Mapping[str, Task]]) -> dict[str, EvalSuite]:
    """Settings of each leaf task, by the names in `evals.tasks` and `evals.guards` that bring it and by its own.

    Raises:
        ValueError: `evals.per_task` names no task of the suite.
    """
    known = list(dict.fromkeys(name for group, leaves in named.items() for name in (group, *leaves)))
    for name in suite.per_task:
        one_of("evals.per_task", name, tuple(known))
    leaves = dict.fromkeys(leaf for of_group in named.values() for leaf in of_group)
    return {leaf: suite.of_task(*(name for name, own in named.items() if leaf in own), leaf) for leaf in leaves}


def check_metrics(settings: Mapping[str, EvalSuite], leaves: Mapping[str, Task]) -> None:
    """Raise a ValueError for a task without a score for single items, or a wanted metric or filter that none has."""
    for leaf, task in leaves.items():
        if all(aggregation in _CORPUS_ONLY for aggregation in task.aggregation().values()):
            raise ValueError(
                f"task {leaf!r} scores the whole corpus only ({', '.join(task.aggregation())}), so that its "
                "failures cannot be found; add a metric with a value for each item to its metric_list"
            )
    check_judged_by(settings, {leaf: task_metrics(task) for leaf, task in leaves.items()})


def tell_filters(settings: Mapping[str, EvalSuite], leaves: Mapping[str, Task]) -> Iterator[str]:
    """Say of tasks that have several filters which one judges; those alike in one sentence."""
    alike: dict[tuple[str | None, tuple[str, ...]], list[str]] = {}
    for leaf, task in leaves.items():
        names = tuple(chosen.name for chosen in task._filters)
        if len(names) > 1:
            judging = may_judge(settings[leaf], task_metrics(task))[0].filter
            alike.setdefault((judging, names), []).append(leaf)
    for (judging, names), tasks in alike.items():
        more = f" and {len(tasks) - 3} more" if len(tasks) > 3 else ""
        others = " or ".join(f"evals.filter={name}" for name in names if name != judging)
        yield f"{', '.join(tasks[:3])}{more}: judged by the filter {judging}; {others} chooses another"


def task_metrics(task: Task) -> list[Metric]:
    """Metrics of a task for each of its filters, in the task's order; items are judged by the first."""
    kinds = dict.fromkeys(_LOG_LIKELIHOODS, MetricKind.LOG_LIKELIHOOD)
    kinds |= dict.fromkeys(_LABEL_PAIRS, MetricKind.LABEL_PAIR)
    return [
        Metric(
            name if number == 0 else f"{name}/{chosen.name}",
            kinds.get(aggregation, MetricKind.VALUE),
            task.higher_is_better().get(name, True),
            chosen.name,
        )
        for number, chosen in enumerate(task._filters)
        for name, aggregation in task.aggregation().items()
    ]


@contextmanager
def naming_the_task(name: str) -> Iterator[None]:
    """Turn what a broken task raises into one sentence that names it."""
    try:
        yield
    except _TASK_ERRORS as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        why = f" ({first_line(cause)})" if cause is not error else ""
        raise ValueError(
            f"task {name!r} could not be loaded: {type(error).__name__}: {first_line(error)}{why}; check its "
            "YAML file, its data files and, for data from the hub, the connection"
        ) from error
