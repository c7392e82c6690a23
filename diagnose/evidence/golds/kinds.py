"""How votes are spread when the gold is right, and how often it is wrong: a mixture that no label has taught.

On an item of kind k the votes are Dirichlet-multinomial: the true answer draws them with strength t_k, every other with
o_k, never more than the truth (one asymmetric prior shared by the others says which answer errs together, not which).
Small strengths make models agree, also in error, so that shared mistakes count once and not for each model. Kinds and
their shares are those of all subjects. With a probability that is the subject's own the recorded gold is another answer
than the true one, each equally often. Dawid and Skene 1979 estimate raters in the same way; here raters are
exchangeable after weighting, and items are what differs.

A subject that is hard and one whose golds are wrong look alike where models agree on nothing. With shares of kinds of
its own every subject would count as hard, and no rate could be told; common ones err towards wrong golds in subjects
that are harder than others. The number of kinds is the one that predicts subjects best that were not fitted.

Cost: a second for each fit of 3,000 items with four choices; ten fits.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

MOST_KINDS = 3
_FOLDS = 3
_STEPS = 150
_RATES = torch.linspace(-8.0, 2.0, 41, dtype=torch.float64)
"""Log-odds of a wrong gold over which a subject's own rate is summed."""
_RATE_PRIOR = -4.0
"""Centre of the prior of the mean log-odds, 2 %, with a deviation of 1: golds are right more often than not."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Votes in numbers."""

    votes: NDArray[np.float64]
    """Weighted votes for each option, [num_items, most_options]; 0 beyond an item's last and for what nobody gave."""
    gold: NDArray[np.int64]
    """Place of the recorded gold, [num_items]."""
    num_options: NDArray[np.int64]
    """Number of answers that there are, [num_items], from 2 to `most_options`."""
    group: NDArray[np.int64]
    """Number of the subject, [num_items]."""

    def take(self, members: NDArray[np.bool_]) -> "Counted":
        """Return some items; their subjects are numbered anew."""
        _, group = np.unique(self.group[members], return_inverse=True)
        return Counted(self.votes[members], self.gold[members], self.num_options[members], group)


@dataclass(frozen=True, slots=True)
class WrongGolds:
    of_option: NDArray[np.float64]
    """Probability that the gold is wrong and this option the true answer, [num_items, most_options]; 0 at the gold."""
    wrong: NDArray[np.float64]
    """Probability that the gold is wrong, [num_items]."""


def find_wrong_golds(counted: Counted) -> WrongGolds:
    """Fit the mixture with the best number of kinds, and give each item its probabilities."""
    num_kinds = max(range(1, MOST_KINDS + 1), key=lambda kinds: _held_out(counted, kinds))
    fitted = _fit(counted, num_kinds)
    with torch.no_grad():
        other, mixed, by_rate = _likelihoods(fitted, counted, num_kinds)
        rate = torch.softmax(by_rate, dim=1)[torch.tensor(counted.group)]  # [num_items, num_rates]
        odds = torch.nn.functional.logsigmoid(_RATES)
        share = torch.exp(odds - mixed) * rate  # [num_items, num_rates], of one unit of likelihood
        of_option = torch.exp(other) * share.sum(dim=1)[:, None]
    return WrongGolds(of_option.numpy(), of_option.sum(dim=1).numpy())


def _held_out(counted: Counted, num_kinds: int) -> float:
    """Log-likelihood of subjects under a fit of the others, a third of them at a time; of thirds of the items where
    there are fewer than three subjects."""
    folds = counted.group % _FOLDS if counted.group.max() + 1 >= _FOLDS else np.arange(len(counted.group)) % _FOLDS
    total = 0.0
    for fold in range(_FOLDS):
        out = folds == fold
        if not out.any() or out.all():
            continue
        fitted = _fit(counted.take(~out), num_kinds)
        with torch.no_grad():
            total += float(torch.logsumexp(_likelihoods(fitted, counted.take(out), num_kinds)[2], dim=1).sum())
    return total


def _fit(counted: Counted, num_kinds: int) -> NDArray[np.float64]:
    """Maximise the penalised likelihood over log strengths of errors, logs of what truth has more, log shares of the
    kinds, and mean and log deviation of the log-odds of a wrong gold, [3 * num_kinds + 2]."""
    start = np.concatenate(
        [
            np.linspace(-3.0, 1.0, num_kinds) if num_kinds > 1 else np.array([-2.0]),
            np.linspace(3.0, 0.0, num_kinds) if num_kinds > 1 else np.array([1.0]),
            np.zeros(num_kinds),
            [_RATE_PRIOR, 0.0],
        ]
    )

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        at = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        by_rate = _likelihoods(at, counted, num_kinds)[2]
        prior = (at[:-2] ** 2).sum() / 9 + (at[-2] - _RATE_PRIOR) ** 2 + at[-1] ** 2
        value = prior / 2 - torch.logsumexp(by_rate, dim=1).sum()
        (gradient,) = torch.autograd.grad(value, at)
        return float(value.detach()), gradient.numpy()

    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS})
    return np.asarray(found.x, np.float64)


def _likelihoods(
    values: NDArray[np.float64] | Tensor, counted: Counted, num_kinds: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-likelihoods of the votes.

    Returns:
        Of each option as the truth where the gold is wrong, [num_items, most_options], minus infinity at the gold and
        beyond the last; of each item at each rate, [num_items, num_rates]; of each subject with the prior of its rate,
        [num_groups, num_rates].
    """
    at = torch.as_tensor(values, dtype=torch.float64)
    votes, gold = torch.tensor(counted.votes), torch.tensor(counted.gold)
    num_options, group = torch.tensor(counted.num_options, dtype=torch.float64), torch.tensor(counted.group)
    of_truth = _of_truth(at, votes, num_options, num_kinds)
    place = torch.arange(votes.shape[1])
    is_gold = place == gold[:, None]
    is_none = place >= num_options[:, None]
    right = of_truth[is_gold]
    other = (of_truth - torch.log(num_options - 1)[:, None]).masked_fill(is_gold | is_none, -torch.inf)
    wrong = torch.logsumexp(other, dim=1)
    sure, odds = torch.nn.functional.logsigmoid(-_RATES), torch.nn.functional.logsigmoid(_RATES)
    mixed = torch.logaddexp(right[:, None] + sure, wrong[:, None] + odds)
    prior = torch.log_softmax(-0.5 * ((_RATES - at[-2]) / torch.exp(at[-1])) ** 2, dim=0)
    num_groups = int(counted.group.max()) + 1
    by_rate = torch.zeros(num_groups, len(_RATES), dtype=torch.float64).index_add(0, group, mixed) + prior
    return other, mixed, by_rate


def _of_truth(at: Tensor, votes: Tensor, num_options: Tensor, num_kinds: int) -> Tensor:
    """Log-likelihood of an item's votes with each option as the truth, [num_items, most_options]."""
    error = torch.exp(at[:num_kinds])
    truth = error + torch.exp(at[num_kinds : 2 * num_kinds])
    shares = torch.log_softmax(at[2 * num_kinds : 3 * num_kinds], dim=0)
    of_error = torch.lgamma(votes[:, :, None] + error) - torch.lgamma(error)  # [num_items, most_options, num_kinds]
    of_truth = torch.lgamma(votes[:, :, None] + truth) - torch.lgamma(truth)
    strength = truth + (num_options[:, None] - 1) * error
    whole = torch.lgamma(strength) - torch.lgamma(votes.sum(dim=1)[:, None] + strength)  # [num_items, num_kinds]
    joint = whole[:, None, :] + of_error.sum(dim=1, keepdim=True) - of_error + of_truth
    return torch.logsumexp(joint + shares, dim=2)
