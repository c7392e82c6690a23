"""What loops on data of others left, kept in `docs/proof/others/<code version>/`, and the table that tells it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from others_data import CAD, TREC
from pydantic import TypeAdapter

OTHERS = Path(__file__).parents[1] / "docs" / "proof" / "others"
WHOLE = "whole"
"""The group of all items."""
MARGIN = 0.03
"""Most that the pooled rest may lose under an accepted fix; a class twice that."""
MOST_SPOILED = 20
"""Up to this share of others in the pool the whole task has to gain,"""
LEAST_BETTER = 15 / 18
"""in so many of the loops."""


@dataclass(frozen=True, slots=True)
class Scored:
    score: float
    """Mean over items, and over seeds where there are several."""
    num_items: int


@dataclass(frozen=True, slots=True)
class Played:
    """A round."""

    slice: Mapping[str, str]
    """Of the first finding; empty where nothing was found, as for a whole suite."""
    cause: str
    actions: tuple[str, ...]
    decision: str
    reason: str
    gain: float | None
    """On the promised endpoint against the strongest control."""
    arms: Mapping[str, Mapping[str, Scored]]
    """By arm and group, on `select`."""


@dataclass(frozen=True, slots=True)
class OthersResult:
    data: str
    target: str
    wrong_share: float
    seed: int
    rounds: tuple[Played, ...]
    before: Mapping[str, Scored]
    """The model of round 0 by group, on `select` and `sealed`."""
    after: Mapping[str, Scored]
    """The final champion, the one model that the user is left with, on the same items."""
    sealed: Mapping[str, tuple[float, float]]
    """By group, where the loop opened the sealed items: the model of round 0, and the champion's mean over seeds."""
    champion_round: int | None
    stopped_because: str
    seconds: float
    """Wall time of the process that finished it."""
    code_version: str
    settings: tuple[str, ...] = field(default=())
    """Words that were given beyond the case's own."""

    @property
    def name(self) -> str:
        return f"{self.data}-{self.target}-{round(100 * self.wrong_share)}-{self.seed}"

    @property
    def is_accepted(self) -> bool:
        return self.champion_round is not None

    @property
    def whole_change(self) -> float:
        return self.after[WHOLE].score - self.before[WHOLE].score

    @property
    def rest_change(self) -> float:
        """Over all items that are not of the target."""
        rest = [name for name in self.before if name not in (WHOLE, self.target)]
        sizes = [self.before[name].num_items for name in rest]
        return float(np.average([self.change(name) for name in rest], weights=sizes))

    @property
    def worst(self) -> str:
        """The group that loses most, the target among them."""
        return min((name for name in self.before if name != WHOLE), key=self.change)

    def change(self, group: str) -> float:
        return self.after[group].score - self.before[group].score


def read_result(path: Path) -> OthersResult:
    """One that was kept."""
    return TypeAdapter(OthersResult).validate_json(path.read_bytes())


_HEAD = (
    "| loop | whole task before, after | target | pooled rest | worst | arms: whole task, target | decisions |\n"
    "|---|---|---|---|---|---|---|"
)


def table(results: Sequence[OthersResult]) -> str:
    """A line for each loop, and the claims below."""
    lines = [_HEAD, *map(row, results), "", *claims(results)]
    return "\n".join(lines)


def row(result: OthersResult) -> str:
    """One line of the table."""
    trained = [played for played in result.rounds if played.arms]
    arms = "; ".join(
        ", ".join(
            f"{arm} {groups[WHOLE].score:.3f} {groups[result.target].score:.3f}" for arm, groups in played.arms.items()
        )
        for played in trained
    )
    decisions = "; ".join(
        f"{played.decision} ({', '.join(played.slice.values()) or 'nothing'}: {played.cause or 'no finding'}; "
        f"{'+'.join(played.actions) or 'no change'}; {played.reason.splitlines()[0] if played.reason else ''})"
        for played in result.rounds
    )
    cells = (
        f"`{result.name}`",
        f"{result.before[WHOLE].score:.3f}, {result.after[WHOLE].score:.3f}",
        f"{result.before[result.target].score:.3f}, {result.after[result.target].score:.3f}",
        f"{result.rest_change:+.3f}",
        f"{result.worst} {result.change(result.worst):+.3f}",
        arms,
        decisions.replace("|", "/"),
    )
    return f"| {' | '.join(cells)} |"


def claims(results: Sequence[OthersResult]) -> Iterator[str]:
    """What is asked of all loops together, beside what came."""
    accepted = [result for result in results if result.is_accepted]
    rest = [result.name for result in accepted if result.rest_change < -MARGIN]
    harmed = [result for result in accepted if result.change(result.worst) < -2 * MARGIN]
    groups = [f"{r.name} {r.worst} {r.change(r.worst):+.3f} of {r.before[r.worst].num_items} items" for r in harmed]
    yield (
        f"{len(accepted)} of {len(results)} loops accepted a fix; the pooled rest lost more than {MARGIN} in "
        f"{len(rest)} ({', '.join(rest) or 'none'}), a class or task more than {2 * MARGIN} in {len(groups)} "
        f"({', '.join(groups) or 'none'})."
    )
    for data in (TREC, CAD):
        mine = [r for r in results if r.data == data and round(100 * r.wrong_share) <= MOST_SPOILED]
        if mine:
            better = sum(result.whole_change > 0 for result in mine)
            asked = f" (asked of {TREC}: {round(LEAST_BETTER * 18)} of 18)" if data == TREC else ""
            yield (
                f"{data}, at most {MOST_SPOILED} % others: the whole task is higher than before in {better} of "
                f"{len(mine)} loops{asked}."
            )
