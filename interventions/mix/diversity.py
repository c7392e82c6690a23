"""Measure whether a mix is as diverse as its corpus: an alarm against collapse.

Models trained on data that repeats itself first lose the tails of what people write (Shumailov et al. 2024, Nature
631). Three numbers, each of as many draws from the mix as from the corpus, since all grow with the size of a text:
distinct runs of three words for each run, the entropy of words, and the share of words that are rare in the corpus.
Costs a tenth of a second.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from diagnose.rows.pool import TrainPool
from diagnose.rows.selection import text_pairs
from interventions.mix.mix import TrainingMix

NUM_DRAWS = 2_000
_RUN = 3
"""Number of words in a run."""
_COMMON = 0.9
"""Share of the corpus's words, counted with repeats, that the common ones make up; the others are its tail."""
LEAST_KEPT = 0.4
"""Smallest share that must be left of the corpus's distinct runs, of its tail, and of 2 to the power of its entropy;
with half of the draws a corpus keeps half of its tail."""


@dataclass(frozen=True, slots=True)
class Diversity:
    distinct: float
    """Distinct runs of three words per run, in (0, 1]."""
    entropy: float
    """Entropy of words, bits."""
    tail: float
    """Share of words outside the corpus's common ones; a tenth for the corpus itself."""


@dataclass(frozen=True, slots=True)
class DiversityChange:
    before: Diversity
    """Diversity of the corpus."""
    after: Diversity
    """Diversity of the mix."""

    @property
    def collapsed(self) -> str:
        """Losses beyond `LEAST_KEPT`, in words; empty where there are none."""
        before, after = self.before, self.after
        shares = {
            "distinct runs of three words": _share(after.distinct, before.distinct),
            "of the words that the entropy is worth": 2 ** (after.entropy - before.entropy),
            "of the rare words": _share(after.tail, before.tail),
        }
        lost = [f"{share:.0%} {what}" for what, share in shares.items() if share < LEAST_KEPT]
        return f"only {' and '.join(lost)} would be left" if lost else ""


def diversity_change(corpus: TrainPool, mix: TrainingMix, seed: int) -> DiversityChange:
    """Compare draws from a mix with draws from the corpus as it stands."""
    rng = np.random.default_rng(seed)
    before = _words(corpus, rng.choice(len(corpus), NUM_DRAWS, p=corpus.draws()))
    after = _words(mix.examples, rng.choice(len(mix.weights), NUM_DRAWS, p=mix.weights))
    common = _common(before)
    return DiversityChange(_diversity(before, common), _diversity(after, common))


def _words(pool: TrainPool, rows: NDArray[np.int64]) -> list[list[str]]:
    return [f"{prompt} {completion}".split() for prompt, completion in text_pairs(pool.select(rows))]


def _common(texts: Sequence[Sequence[str]]) -> frozenset[str]:
    """Most frequent words, which make up `_COMMON` of all."""
    counts = Counter(word for text in texts for word in text).most_common()
    reached = np.cumsum([count for _, count in counts])
    number = int(np.searchsorted(reached, _COMMON * reached[-1])) + 1 if counts else 0
    return frozenset(word for word, _ in islice(counts, number))


def _diversity(texts: Sequence[Sequence[str]], common: frozenset[str]) -> Diversity:
    runs = [tuple(text[k : k + _RUN]) for text in texts for k in range(max(1, len(text) - _RUN + 1))]
    counts = Counter(word for text in texts for word in text)
    shares = np.array(list(counts.values()), np.float64) / max(counts.total(), 1)
    rare = sum(count for word, count in counts.items() if word not in common)
    return Diversity(
        distinct=len(set(runs)) / max(len(runs), 1),
        entropy=float(-(shares * np.log2(shares)).sum()),
        tail=rare / max(counts.total(), 1),
    )


def _share(after: float, before: float) -> float:
    return after / before if before else 1.0
