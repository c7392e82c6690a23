"""Seconds, memory and disk that a loop would take, for a model that was never trained here: all of it estimated."""

from collections.abc import Iterator

from controller.cli.clean import size
from controller.data.mixes import load_pool
from controller.engine.runner import Stage
from controller.loop.run import Run
from controller.loop.trial.mixes import MAY_GO_ON
from controller.results.arm_names import CHALLENGER
from controller.results.page.words.numbers import duration
from controller.stages.model import Model
from controller.stages.train import time_steps
from controller.train.before.needs import training_needs
from controller.train.recipe import recipe
from controller.train.settings import ScratchModel, TrainUpdate
from controller.train.start import load_tokenizer
from diagnose.rows.rendering import encode_pool

SAMPLE_ROWS = 500
"""Most rows of the corpus among which the longest is sought."""


def resource_lines(run: Run, base: Model, mean: float, tokens: int) -> Iterator[str]:
    """Yield what trainings take here.

    Args:
        run: The run.
        base: Model that is given or built.
        mean: Mean tokens of a row.
        tokens: Tokens of one training of an arm.
    """
    settings, verify = run.settings, run.settings.verify
    how = recipe(settings.train, settings.model, TrainUpdate(), run.corpus.num_rows, mean)
    timed = run.runner.do(
        Stage("time-steps", time_steps, (base, run.corpus, how, mean, settings.seed), base.fills_cores), None
    ).value
    rate = timed.num_tokens / timed.seconds
    names = [CHALLENGER, *(arm.name for arm in verify.controls)]
    trainings = len(names) * verify.seeds
    side_by_side = min(run.runner.num_workers, trainings)
    seconds = -(-trainings // side_by_side) * tokens / rate
    looked = f", {duration(seconds / verify.seeds * verify.last_seeds)} to the last look" if verify.has_looks else ""
    first = f"{duration(how.length.count / rate)} for the initial training, " if settings.trains_initially else ""
    yield (
        f"time       about {first}{duration(seconds)} for the trainings of a round{looked}, {side_by_side} side by "
        f"side, as {timed.num_steps} timed steps had {rate:,.0f} tokens a second; an estimate, without measuring and "
        "diagnosis"
    )
    corpus = load_pool(run.corpus.folder)
    sample = corpus.select(range(min(SAMPLE_ROWS, len(corpus))))
    longest = int(encode_pool(sample, load_tokenizer(base.ref), settings.train.max_length).lengths.max())
    needs = training_needs(base.ref, how, longest)
    yield (
        f"memory     about {size(needs.memory)} for each of {side_by_side} trainings side by side: weights "
        f"{size(needs.weights)}, gradients and AdamW {size(needs.optimizer)}, activations {size(needs.activations)}, "
        f"logits {size(needs.logits)}; an estimate"
    )
    given = int(isinstance(settings.model, ScratchModel)) + 2 * settings.trains_initially
    of_round = verify.last_seeds * sum(1 + name.startswith(MAY_GO_ON) for name in names)
    peak = given + of_round
    left = {"all": peak, "needed": given + verify.last_seeds + 2, "champion": 2}[settings.train.keep]
    each = needs.model_on_disk
    more = f", and {size(of_round * each)} more for each further round" if settings.train.keep == "all" else ""
    limit = "at most" if verify.has_looks else "about"
    yield (
        f"disk       {limit} {size(peak * each)} of weights at the end of a round, {size(left * each)} with "
        f"train.keep={settings.train.keep} when the loop is over{more}; {size(each)} a model"
    )
