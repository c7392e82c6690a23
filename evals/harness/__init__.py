"""Measure models with lm-eval: turn task names into items, and a model's answers into item results.

The only importer of lm_eval (0.4.13). Tasks are lm-eval's own, unmodified: their prompts, requests, filters
and metrics. The loop around them is ours, because `simple_evaluate` draws few-shot examples anew for every
subset (an item's prompt would depend on which others are asked), runs all items of a task given an empty
list, and asks the hub for the revision of a local model. Prompts are those of a run over all items with
lm-eval's seeds; a test compares every score with `simple_evaluate`.

Cost: one forward pass for each choice or text, and one generation for each open answer.
"""

import logging
import time
from collections.abc import Sequence

from evals.harness.loading import LoadedSuite, load_suite
from evals.harness.process import harness_seeds, quieten, templates_compiled_once
from evals.harness.scoring.results import score_items
from evals.items import EvalReport, Item, ItemResult, ProbeReport
from evals.model_ref import ModelRef
from evals.splits import Split

__all__ = ["LoadedSuite", "evaluate", "load_suite"]

log = logging.getLogger(__name__)


def evaluate(model: ModelRef, loaded: LoadedSuite, items: Split | Sequence[Item]) -> EvalReport:
    """Measure a model on the items of one split.

    Args:
        model: Loaded in this process, on the GPU if there is one.
        loaded: Tasks with their items, by `load_suite`.
        items: A split, or items of one split.

    Returns:
        A report in the suite's order of items; a `ProbeReport` for probe items.

    Raises:
        ValueError: the model cannot be loaded, or items are not of the suite or of several splits.
    """
    from evals.harness.answers import answer  # noqa: PLC0415  # four seconds, for processes that ask
    from evals.harness.backends.measuring import load_measured  # noqa: PLC0415

    started = time.monotonic()
    quieten()
    chosen = _chosen(loaded, items)
    sent = {item.key: loaded.to_send(item) for item in chosen}
    lm = load_measured(model, loaded.suite)
    with harness_seeds():
        answer(lm, [instance for instances in sent.values() for instance in instances])
    results: list[ItemResult] = []
    with templates_compiled_once():
        for leaf in dict.fromkeys(item.task for item in chosen):
            own = [item for item in chosen if item.task == leaf]
            answered = [sent[item.key] for item in own]
            scored = score_items(loaded.settings[leaf], loaded.leaves[leaf], own, answered)
            if not scored:
                log.warning("task %s: none of %s items has a score of its own, so none can fail", leaf, len(own))
            results += scored
    split, seconds = chosen[0].split, time.monotonic() - started
    log.info(
        "measured %s: %s %s items, %s unscored, %.1f s, %.0f tokens/s",
        model.path,
        len(chosen),
        split,
        len(chosen) - len(results),
        seconds,
        lm.num_tokens / seconds,
    )
    report = ProbeReport if split is Split.PROBE else EvalReport
    versions = {leaf: loaded.versions[leaf] for leaf in dict.fromkeys(item.task for item in chosen)}
    return report(model, split, tuple(results), len(chosen) - len(results), lm.num_tokens, versions)


def _chosen(loaded: LoadedSuite, items: Split | Sequence[Item]) -> list[Item]:
    if isinstance(items, Split):
        chosen = [item for item in loaded.items if item.split is items]
        if not chosen:
            raise ValueError(f"no item of {len(loaded.items)} is in split {items}; raise evals.limit or add tasks")
        return chosen
    wanted = {item.key for item in items}
    chosen = [item for item in loaded.items if item.key in wanted]
    if missing := sorted(wanted - {item.key for item in chosen}):
        task, item_id = missing[0]
        raise ValueError(f"{len(missing)} items are not of the suite (first missing: {task}/{item_id})")
    if len({item.split for item in chosen}) != 1:
        raise ValueError(f"items of one split are measured at a time, got {len(chosen)} of several or none")
    return chosen
