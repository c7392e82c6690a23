"""Keep account of what the loop has spent, and stop it at hard limits.

FLOPs are counted, not timed: 2 for each parameter and token forward, 4 backward.
"""

import time
from dataclasses import dataclass

from controller.engine.errors import BudgetSpent
from evals.validation import positive

FORWARD, FORWARD_BACKWARD = 2.0, 6.0
"""FLOPs for each parameter and token."""


@dataclass
class Budget:
    """`budget.*`: hard stops for the whole loop; unset means no limit."""

    train_tokens: int | None = None
    """Tokens that models are trained on."""
    flops: float | None = None
    """Floating-point operations: 2 for each parameter and token forward, 4 backward."""
    seconds: float | None = None
    """Seconds since the loop began."""
    rounds: int | None = None
    """Rounds of diagnosis, fix and verdict."""

    def __post_init__(self) -> None:
        for key in ("train_tokens", "flops", "seconds", "rounds"):
            positive(f"budget.{key}", getattr(self, key))


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a kind of work, as in `loop.json`."""

    seconds: float
    tokens: int
    """Tokens through a model."""
    flops: float


@dataclass(frozen=True, slots=True)
class Spent:
    """Cost of one piece of work."""

    seconds: float = 0.0
    tokens: int = 0
    """Tokens through a model, in training and in evaluation."""
    flops: float = 0.0
    train_tokens: int = 0
    """Number of these tokens that a model was trained on."""


@dataclass(frozen=True, slots=True)
class Used:
    """Use of one limit of the budget."""

    limit: float
    used: float


class Books:
    """Costs by kind of work, and their check against the budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._lines: list[tuple[str, Spent]] = []
        self._started = time.monotonic()

    def add(self, book: str, spent: Spent) -> None:
        self._lines.append((book, spent))

    def mark(self) -> int:
        """Return a place in the books, for `costs`."""
        return len(self._lines)

    def costs(self, since: int = 0) -> dict[str, Cost]:
        """Sum costs by kind of work from a mark on, in the order in which the kinds first came."""
        totals: dict[str, Cost] = {}
        for book, spent in self._lines[since:]:
            cost = totals.get(book, Cost(0.0, 0, 0.0))
            totals[book] = Cost(cost.seconds + spent.seconds, cost.tokens + spent.tokens, cost.flops + spent.flops)
        return totals

    def use(self, num_rounds: int) -> dict[str, Used]:
        """Use of each limit that is set, by its key without `budget.`.

        Args:
            num_rounds: Number of rounds that are over.
        """
        used = {
            "train_tokens": sum(spent.train_tokens for _, spent in self._lines),
            "flops": sum(spent.flops for _, spent in self._lines),
            "seconds": time.monotonic() - self._started,
            "rounds": num_rounds,
        }
        limits = {key: getattr(self._budget, key) for key in used}
        return {key: Used(limit, used[key]) for key, limit in limits.items() if limit is not None}

    def check_time(self) -> None:
        limit = self._budget.seconds
        if limit is not None and time.monotonic() - self._started > limit:
            raise BudgetSpent(f"budget.seconds: {limit:g} s have passed")

    def check(self, what: str, train_tokens: int, flops: float) -> None:
        """Refuse work that would pass a limit, before it starts.

        Args:
            what: Name of the work, for the message.
            train_tokens: Tokens that it would train on.
            flops: All FLOPs that it would take.
        """
        spent_tokens = sum(spent.train_tokens for _, spent in self._lines)
        spent_flops = sum(spent.flops for _, spent in self._lines)
        limit = self._budget.train_tokens
        if limit is not None and spent_tokens + train_tokens > limit:
            raise BudgetSpent(
                f"budget.train_tokens: {what} takes {train_tokens}, {max(0, limit - spent_tokens)} of {limit} are left"
            )
        if self._budget.flops is not None and spent_flops + flops > self._budget.flops:
            left = max(0.0, self._budget.flops - spent_flops)
            raise BudgetSpent(
                f"budget.flops: {what} takes {flops:.3g}, {left:.3g} of {self._budget.flops:.3g} are left"
            )
        self.check_time()
