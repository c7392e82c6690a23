"""The picture of `bench_gate.py`: false acceptances of our gate and of others, and the power of ours."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from matplotlib.figure import Figure

OURS = "no_effect"
LABELS = {
    "higher_score": "higher score",
    "mcnemar": "McNemar, seeds pooled",
    "item_bootstrap": "bootstrap over items",
    "best_of_5_rounds": "McNemar, best of 5 rounds",
}


class Rated(Protocol):
    @property
    def rate(self) -> float: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


def draw(rates: Mapping[str, Rated], path: Path) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    false, power = figure.subplots(1, 2, width_ratios=(3, 2))
    rows = [("evalmend, 3 seeds", rates["no_effect"]), ("evalmend, any of 30 rounds", rates["no_effect_30_rounds"])]
    rows += [
        (f"{label}, {seeds} seed{'s' if seeds > 1 else ''}", rates[f"{gate}_no_effect_seeds_{seeds}"])
        for gate, label in LABELS.items()
        for seeds in (1, 3, 5)
    ]
    for row, (label, rate) in enumerate(reversed(rows)):
        colour = "tab:green" if label.startswith("evalmend") else "tab:gray"
        false.plot([100 * rate.low, 100 * rate.high], [row, row], color=colour, linewidth=2)
        false.plot(100 * rate.rate, row, "o", color=colour)
    false.set_yticks(range(len(rows)), [label for label, _ in reversed(rows)], fontsize=8)
    false.axvline(2.5, linestyle=":", color="black", linewidth=1)
    false.set_xlim(left=-1)
    false.set_title("Accepted although nothing had an effect, %", fontsize=9)
    gains: dict[int, list[tuple[float, Rated]]] = {}
    for name, rate in rates.items():
        if match := re.fullmatch(r"ours_gain_([.\d]+)_seeds_(\d+)", name):
            gains.setdefault(int(match[2]), [(0.0, rates[OURS])]).append((float(match[1]), rate))
    for seeds, points in sorted(gains.items()):
        points.sort(key=lambda point: point[0])
        power.plot([gain for gain, _ in points], [100 * rate.rate for _, rate in points], "o-", label=f"{seeds} seeds")
    power.set_title("True gain of this size accepted, %", fontsize=9)
    power.set_ylim(0, 100)
    power.legend(fontsize=8, frameon=False)
    figure.savefig(path)
