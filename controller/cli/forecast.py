"""Look ahead without training: what a loop would cost and could detect, and how two given models compare."""

from collections import Counter
from collections.abc import Iterator, Sequence

from controller.cli.resources import resource_lines
from controller.data.mixes import load_pool
from controller.engine.budget import FORWARD, FORWARD_BACKWARD
from controller.engine.hashes import hash_of
from controller.loop.models import base_model, counted_corpus, measure_model, model_key
from controller.loop.proposing import LEDGER_FILE
from controller.loop.run import Run, check_split
from controller.loop.studies.fidelity import most_trainings
from controller.results.arm_names import CHALLENGER
from controller.stages.model import Model
from controller.train.before.given import check_scored
from controller.train.recipe import recipe, row_passes
from controller.train.sampling import expected_tokens
from controller.train.settings import PretrainedModel, TrainUpdate
from controller.train.start import load_tokenizer
from controller.verdict.arm_scores import arm_scores
from controller.verdict.arms import arm_tokens, num_by_chance
from controller.verdict.memory.ledger import look_at
from controller.verdict.promise import assumed
from controller.verdict.settings import Verify
from diagnose.model.checkpoint import Checkpoint
from diagnose.rows.selection import evenly_spaced
from evals.harness.room import check_room
from evals.items import EvalReport, check_pairable
from evals.model_ref import ModelRef
from evals.splits import Split
from evals.statistics.compare import MIN_SEEDS, compare_to_model
from evals.statistics.intervals import Estimate
from evals.statistics.looks import Looks
from evals.statistics.looks_power import gain_seen, prospect
from evals.statistics.paired import flips
from evals.statistics.power import Judgement, detectable_gain
from evals.statistics.spending import alpha_at
from interventions.mix.mix import original_mix
from interventions.planner import Auto

SAMPLE_ROWS = 2000
"""Most rows of the corpus from which the mean length is taken."""
TYPICAL_SCORE, TYPICAL_GUARD_SCORE = 0.7, 0.95
"""Scores that are assumed before anything is measured; guarded tasks are mostly nearly solved."""
TYPICAL_SLICE = 0.25
"""Share of a task's items that an endpoint is assumed to have, since mostly a part of a task fails."""


def plan_lines(run: Run) -> Iterator[str]:
    """Yield lines on data, items, costs and what the gate could detect; builds no arm, and times a few steps."""
    settings = run.settings
    check_split(run.loaded, Split.SELECT)
    yield f"corpus     {run.corpus.num_rows:,} rows from {run.corpus.source}"
    yield (
        f"pool       {run.pool.num_rows:,} rows from {run.pool.source}" if run.pool is not None else "pool       none"
    )
    yield "items      " + ", ".join(f"{name} {count:,}" for name, count in run.splits.items())
    base = base_model(run)
    check_room(run.loaded, base.ref)
    corpus = load_pool(run.corpus.folder)
    sample = corpus.select(evenly_spaced(len(corpus), SAMPLE_ROWS))
    mean = expected_tokens(load_tokenizer(base.ref), original_mix(sample), settings.train.max_length)

    def tokens_of(update: TrainUpdate) -> int:
        """Tokens of a training; those after the initial one have an update."""
        return recipe(settings.train, settings.model, update, run.corpus.num_rows, mean).length.count

    for one in counted_corpus(run, base):
        yield f"source     {one.source}: {one.num_rows:,} rows, {one.num_tokens:,} tokens, {one.share:.1%} of the draws"
    yield f"model      {base.num_parameters:,} parameters, {mean:.1f} tokens a row"
    if settings.trains_initially:
        tokens = tokens_of(TrainUpdate())
        yield f"initial    {tokens:,} tokens, {6 * base.num_parameters * tokens:.2g} FLOPs"
    num_checkpoints = 2 if settings.trains_initially else len(base.checkpoints)
    rows = run.corpus.num_rows + (run.pool.num_rows if run.pool is not None else 0)
    rows = min(rows, settings.diagnose.max_rows or rows)
    seen = round(rows * mean) * num_checkpoints
    flops = FORWARD_BACKWARD * base.num_parameters * seen
    yield f"diagnosis  {rows:,} rows at {num_checkpoints} checkpoints: {seen:,} tokens, {flops:.2g} FLOPs"
    update = settings.train.update if settings.train.start == "champion" else TrainUpdate()
    tokens = tokens_of(update)
    if settings.diagnose.fidelity:
        is_again = settings.trains_initially or settings.train.start == "base"
        each = tokens_of(TrainUpdate() if is_again else update)
        trainings = most_trainings(settings.diagnose)
        spent = FORWARD_BACKWARD * base.num_parameters * each * trainings
        yield f"fidelity   up to {trainings} trainings of {each:,} tokens: {spent:.2g} FLOPs"
    yield from _trainings(run, base.num_parameters, tokens, flops, mean)
    yield from resource_lines(run, base, mean, tokens)
    if settings.train.start == "champion" and settings.train.retrain_below > 0:
        yield (
            f"retrained  a fix that leaves less than {settings.train.retrain_below:.0%} of the corpus, and its "
            f"controls: from the given model, up to {tokens_of(TrainUpdate()):,} tokens each"
        )
    yield from _detectable(run, base.num_parameters, tokens)


def _trainings(run: Run, num_parameters: int, tokens: int, finding_flops: float, mean: float) -> Iterator[str]:
    """Yield every arm of a round; the number of tokens is that of the corpus's rows, as the mixes are not made yet."""
    verify = run.settings.verify
    choosing = 0.0
    if any(arm.control == "loss" for arm in verify.controls):
        source = run.pool if run.pool is not None else run.corpus
        asked = round(min(source.num_rows, run.settings.diagnose.max_rows or source.num_rows) * mean)
        choosing = FORWARD * num_parameters * asked
        yield f"controls   {asked:,} tokens for the losses of rows, {choosing:.2g} FLOPs"
    names_by_tokens: dict[int, list[str]] = {tokens: [CHALLENGER]}
    token_flops = FORWARD_BACKWARD * num_parameters
    for arm in verify.controls:
        own = arm_tokens(
            arm,
            tokens,
            finding_flops=finding_flops,
            choosing_flops=choosing if arm.control == "loss" else 0.0,
            token_flops=token_flops,
        )
        names_by_tokens.setdefault(own, []).append(arm.name)
    for each, names in names_by_tokens.items():
        trainings = len(names) * verify.seeds
        yield (
            f"each round {trainings} trainings ({', '.join(names)}; {verify.seeds} seeds) of {each:,} tokens: "
            f"{token_flops * each * trainings:.2g} FLOPs"
        )
    passes = (
        row_passes(run.settings.train.update, run.settings.model) if run.settings.train.start == "champion" else None
    )
    if passes is not None:
        yield f"           fewer where each added row is drawn {passes:g} times before that (train.update.row_passes)"
    further = len(verify.controls) * verify.seeds
    yield (
        f"steps      {further} more trainings, {token_flops * tokens * further:.2g} FLOPs, for each step that takes "
        "rows out or relabels them beside others: without it, and controls where it is left out"
    )
    share = run.settings.diagnose.pilot_share
    if run.settings.diagnose.pilots != "never" and isinstance(run.settings.interventions, Auto):
        most = share * sum(each * len(names) for each, names in names_by_tokens.items()) * verify.seeds
        yield (
            f"causes     small trainings of up to {round(most):,} tokens, {share:.0%} of a round's, where no check "
            f"settles a cause: {token_flops * most:.2g} FLOPs"
        )
    pilots = run.settings.pilots
    if pilots.scales and getattr(run.settings.interventions, "share", None) is None:
        small = round(pilots.length * tokens)
        yield (
            f"pilots     {len(pilots.scales)} trainings of {small:,} tokens where answers are no labels: "
            f"{token_flops * small * len(pilots.scales):.2g} FLOPs"
        )
    if verify.doses:
        trainings = len(verify.doses) * verify.seeds
        listed = ", ".join(f"{dose:g}" for dose in verify.doses)
        yield (
            f"doses      up to {trainings} trainings ({listed} times the added rows; {verify.seeds} seeds) of "
            f"{tokens:,} tokens: {token_flops * tokens * trainings:.2g} FLOPs"
        )


def _detectable(run: Run, num_parameters: int, tokens: int) -> Iterator[str]:
    verify = run.settings.verify
    counts = Counter(item.task for item in run.loaded.items if item.split is Split.SELECT)
    level = alpha_at(1, verify.alpha)
    if verify.seeds < MIN_SEEDS:
        yield f"gate       verify.seeds={verify.seeds} can never accept; at least {MIN_SEEDS} seeds are needed"
        return
    guards = [assumed(TYPICAL_GUARD_SCORE, counts[task], verify) for task in run.loaded.guards if counts[task]]
    num_all = sum(counts[task] for task in run.loaded.tasks)
    for task in run.loaded.tasks:
        for share in (1.0, TYPICAL_SLICE) if run.settings.evals.guard_rest else (1.0,):
            num_items = round(share * counts[task])
            if not num_items:
                continue
            num_rest = num_all - num_items if run.settings.evals.guard_rest else 0
            is_guarded = num_rest > verify.margin * num_all
            rest = [assumed(TYPICAL_SCORE, num_rest, verify)] if is_guarded else []
            endpoint = assumed(TYPICAL_SCORE, num_items, verify)
            all_guards = (*guards, *rest)
            rivals, drawn = len(verify.controls), num_by_chance(verify.controls)
            judgement = Judgement(endpoint, verify.seeds, level, rivals, all_guards, verify.margin, num_by_chance=drawn)
            gain = gain_seen(judgement, verify.last_seeds) if verify.has_looks else detectable_gain(judgement)
            seen = "no possible gain" if gain is None else f"a gain of {gain:.3f}"
            is_enough = gain is not None and gain <= verify.min_gain
            more = "" if is_enough else f"; verify.min_gain is {verify.min_gain:g}: add seeds or items"
            part = "" if share == 1 else f"a slice of {share:.0%}, "
            beside = f", {num_rest} other items guarded" if is_guarded else ""
            yield f"gate       {task}: {part}{num_items} select items{beside}, see {seen} in 80 % of runs{more}"
            if verify.has_looks:
                yield from _looks(judgement, verify, num_parameters, tokens)


def _looks(judgement: Judgement, verify: Verify, num_parameters: int, tokens: int) -> Iterator[str]:
    """Yield what looks would do without a gain, at the smallest useful one and at the one that is expected."""
    looks = Looks.between(verify.seeds, verify.last_seeds, judgement.alpha)
    listed = ", ".join(map(str, looks.seeds))
    score = judgement.endpoint.base_score
    for gain in sorted({0.0, min(verify.min_gain, 1 - score), (1 - score) / 2}):
        found = prospect(judgement, verify.last_seeds, gain)
        trainings = found.num_seeds * (1 + judgement.num_controls)
        yield (
            f"looks      at {listed} seeds: a gain of {gain:.3g} accepted at the first in {found.at_first:.1%}, at any "
            f"in {found.at_last:.1%}; {found.num_seeds:.1f} seeds of each arm on average, {trainings:.0f} trainings, "
            f"{tokens * trainings:,.0f} tokens, {FORWARD_BACKWARD * num_parameters * tokens * trainings:.2g} FLOPs"
        )


def compare_models(run: Run, before: str, after: Sequence[str]) -> Iterator[str]:
    """Compare two given models on the `select` items of every task.

    One training is one draw of a recipe: it is shown and never called better. From three models after on, one for each
    training seed, the recipe is compared with the model before.
    """
    check_scored("verify.model", before)
    for path in after:
        check_scored("verify.challenger", path)
    key = hash_of([model_key(path) for path in (before, *after)])
    look = look_at(run.run_dir.parent / LEDGER_FILE, run.split_hash(Split.SELECT), key, "select")
    yield f"look {look.number} at these items; a p below {alpha_at(look.number, run.settings.verify.alpha):.2g} counts"
    first = _scored(run, before, "measure-given-before")
    others = [_scored(run, path, f"measure-given-after-{number}") for number, path in enumerate(after)]
    check_pairable(
        {before: first} | {f"{path} ({k})": report for k, (path, report) in enumerate(zip(after, others, strict=True))}
    )
    for task in (*run.loaded.tasks, *run.loaded.guards):
        was = [r for r in first.results if r.item.task == task]
        now = [[r for r in report.results if r.item.task == task] for report in others]
        if not was:
            continue
        start, end = arm_scores("before", [was]), arm_scores("after", now)
        line = f"{task:<30} {start.scores.mean():.3f} -> {end.scores.mean():.3f}"
        if len(after) >= MIN_SEEDS:
            result = compare_to_model(end, start)
            gain = Estimate(result.mean, result.low, result.high)
            yield f"{line}  {gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}], p = {result.p:.2g}"
        else:
            counts = flips([not r.is_failed for r in was], [not r.is_failed for r in now[0]])
            yield f"{line}  fixed {counts.fixed}, broken {counts.broken}; no verdict from fewer than {MIN_SEEDS} seeds"


def _scored(run: Run, path: str, name: str) -> EvalReport:
    given = run.settings.model
    ref = ModelRef(path, None, given.dtype if isinstance(given, PretrainedModel) else "float32")
    model = Model(ref, model_key(path), (Checkpoint(ref, 1.0),), 0, run.corpus)
    return measure_model(run, model, Split.SELECT, name).report
