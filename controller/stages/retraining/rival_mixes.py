"""Make the mixes of the repairs of rival causes, and of their controls; a stage, a function of a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from controller.data.mixes import load_corpus
from controller.engine.budget import Spent
from controller.stages.inputs import PlanInputs
from controller.stages.propose import draw_name, save_arm
from controller.train.sampling import expected_tokens
from controller.train.start import load_tokenizer
from diagnose.finding.finding import Cause
from diagnose.rows.rendering import encode_pool
from diagnose.slices.predicate import Slice
from interventions.arms.rivals import rivals


@dataclass(frozen=True, slots=True)
class OpenCauses:
    """Causes of a failing slice that the evidence leaves open."""

    items: Slice
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class RivalMade:
    """Mix of the repair of a rival cause, or of a control."""

    name: str
    """Name of the mix, and of its folder."""
    draws: tuple[int, ...]
    """Number of rows of its mix, or of the mix of each training seed in turn where rows are drawn by chance."""
    items: tuple[Slice, ...]
    """Failing slices that it is a repair for; empty for a control."""
    says: str
    added_tokens: int
    """Tokens of the rows that it adds, once each."""
    share: float
    """Share of the draws that these have."""
    parts: tuple[float, ...] = ()
    """Part that each of `items` has of the draws that the repair moves."""

    def part(self, items: Slice) -> float:
        """Part of a failing slice that it is a repair for."""
        return self.parts[self.items.index(items)] if self.parts else 1.0


@dataclass(frozen=True, slots=True)
class RivalsMade:
    mixes: tuple[RivalMade, ...]
    """Mixes; none where no repair is possible."""
    mean_tokens: float
    """Mean tokens of a draw from the corpus."""
    spent: Spent
    """Cost of choosing rows."""


def make_rivals(folder: Path, made_from: PlanInputs, open_causes: Sequence[OpenCauses], num_draws: int) -> RivalsMade:
    """Write a folder with the mix of each repair that is possible and of each control, `num_draws` of one by chance."""
    model_resources, inputs = made_from.model_resources(), made_from.inputs
    resources = made_from.resources(model_resources)
    wanted = {one.items: one.causes for one in open_causes}
    made = rivals(made_from.intervention, made_from.load_diagnosis(), wanted, resources, num_draws)
    tokenizer = load_tokenizer(inputs.model.ref)
    mixes = []
    for rival in made:
        draws = rival.draws or (rival.mix,)
        for draw, mix in enumerate(draws):
            save_arm(mix, folder / draw_name(rival.name, draw))
        of_corpus = len(rival.mix.parts[0].rows)
        added = rival.mix.examples.select(np.arange(of_corpus, len(rival.mix.weights)))
        tokens = encode_pool(added, tokenizer, inputs.max_length).num_tokens if len(added) else 0
        sizes = tuple(len(mix.weights) for mix in draws)
        mixes.append(RivalMade(rival.name, sizes, rival.items, rival.says, tokens, rival.share, rival.parts))
    mean_tokens = expected_tokens(tokenizer, load_corpus(inputs.corpus.folder), inputs.max_length)
    return RivalsMade(tuple(mixes), mean_tokens, model_resources.spent)
