"""Settings of the influence of training examples on failed items, damped and in a projected space.

effect     the damped inverse product of query and training gradient (`diagnose.attribution.fisher`), in nats of the
           query's loss for each unit of the example's weight; positive: more of the example lowers the loss
retrieval  cosine of the gradients, -1 to 1; finds examples of the same skill and does not show how much they help

The two answer different questions and neither replaces the other: the effect ranks rare, large gradients
first, among them wrong labels, which cosine does not.

Both are of a model whose logits are divided by a temperature. A row that is learnt well has hardly a gradient left, and
yet without it the model would be less sure; retraining shows that and an infinitesimal step does not. Softer
probabilities approximate it. Rank correlation with retraining, within slices / all, at temperature 1, 1.5 and 2:

    last checkpoint    two checkpoints    of a model of 148 k parameters that is
    .15/.16  .20/.25  .21/.28    .18/.23  .21/.29  .23/.31    sure of its training rows
    .17/.18  .17/.22  .17/.25    .20/.25  .19/.27  .18/.28    unsure of them
    .30/.35  .28/.30  .21/.21    .32/.38  .30/.35  .23/.24    sure; slices stand in for each other, wrong labels rule

Over several checkpoints both are averaged, in the manner of TracIn (arXiv 2002.08484): near the end of
training gradients are close to zero and slice totals cancel, so two checkpoints predict retraining better
than any one. TracIn weights them by learning rate. Here that is a setting and not the default: at the end of
a schedule the rate is near zero, and with it the weight of the model that is being diagnosed (rank correlation
with retraining, middle and last checkpoint: .24 with equal weights, .22 by rate; five: .27 either way). Each
checkpoint has a projection of its own, so that their errors average out too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from evals.validation import FREE, one_of

EQUAL, BY_RATE = "equal", "learning_rate"
"""How the checkpoints of a training can be weighted."""


@dataclass
class Influence:
    """Settings of the attribution; every field is a key `diagnose.influence.<field>`."""

    projection_dim: int = 16
    """Each layer's gradient is projected to the square of this many numbers. On a 148 k model, over six checkpoints, 16
    and 32 predict retraining with rank correlations of .32 and .34, within slices .24 and .265; 32 costs a tenth more.
    Take multiples of 16, at which processors multiply."""
    temperature: float = 1.5
    """Divides the logits of the model whose gradients are taken, which softens it; 1 for the loss as it is."""
    damping: float = 0.1
    """Damping as a fraction of the mean eigenvalue of each layer's Fisher matrix; .1 to .3 is a broad optimum."""
    kronecker: float = 0.3
    """How far the Fisher matrix is shrunk towards the Kronecker product of its factors, from 0 to 1."""
    fisher_examples: int = 512
    """Most training rows, drawn at random, that the Fisher matrices are estimated on; of a small corpus one in 16."""
    rerank: float = 0.0
    """Share of the rows, the most helpful and the most harmful ones of each finding, whose effect is computed again
    with whole gradients (`diagnose.attribution.ekfac`), for the examples that are shown; 0 for none, .01 is plenty."""
    last_blocks: int | None = None
    """Number of the model's last blocks whose gradients count, the head beside them; unset counts all. Backward ends
    there: with a third of the blocks a pass takes two thirds."""
    batch_tokens: int = 8192
    """Most tokens in a batch, padding included; a longer row is a batch of its own."""
    shard_rows: int = 8192
    """Training rows that are read and scored at a time; a killed pass repeats at most as many."""
    checkpoint_weights: str = EQUAL
    """Weights of the checkpoints in the average: `equal`, or `learning_rate`, in proportion to that at their step."""
    index: str | None = field(default=None, metadata=FREE)
    """Folder where projected gradients are kept for other queries on the same model and data; unset keeps none
    (`diagnose.attribution.gradients.index` says how much space they take)."""

    def __post_init__(self) -> None:
        if not 0 < self.damping < float("inf"):
            raise ValueError(
                f"diagnose.influence.damping must be positive, got {self.damping}; an undamped inverse "
                "Fisher amplifies its near-zero eigenvalues"
            )
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"diagnose.influence.temperature must be positive, got {self.temperature}; 1 takes the loss as it is"
            )
        if not 0 <= self.rerank < 0.5:
            raise ValueError(
                f"diagnose.influence.rerank must be at least 0 and below .5, got {self.rerank}; it is the share of the "
                "rows at either end"
            )
        if not 0 <= self.kronecker <= 1:
            raise ValueError(f"diagnose.influence.kronecker must be between 0 and 1, got {self.kronecker}; 0 is none")
        one_of("diagnose.influence.checkpoint_weights", self.checkpoint_weights, (EQUAL, BY_RATE))
        for key in ("projection_dim", "fisher_examples", "last_blocks", "batch_tokens", "shard_rows"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ValueError(
                    f"diagnose.influence.{key} must be at least 1, got {value}; leave it out for the default"
                )

    def shares(self, learning_rates: Sequence[float]) -> list[float]:
        """Weight of each checkpoint, sum 1.

        Raises:
            ValueError: no checkpoint has a weight.
        """
        by_rate = self.checkpoint_weights == BY_RATE
        weights = [rate if by_rate else 1.0 for rate in learning_rates]
        if not sum(weights) > 0:
            raise ValueError(
                f"influence needs a checkpoint of positive weight, got weights {weights}; give checkpoints, "
                "or set diagnose.influence.checkpoint_weights=equal"
            )
        return [weight / sum(weights) for weight in weights]
