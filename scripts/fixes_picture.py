"""How far each way to choose data goes from the old data to the oracle, drawn."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from matplotlib.figure import Figure

from controller.results.arm_names import CHALLENGER, RANDOM

COLOURS = {
    "shuffled": "tab:brown",
    RANDOM: "0.6",
    "stratified": "tab:olive",
    "bm25": "tab:blue",
    CHALLENGER: "tab:green",
}
"""Of the arms that are drawn, the fix on top."""
LABELS = {CHALLENGER: "the fix"}
LEAST = -0.3
"""Of the shares that are shown; an arm can also unlearn."""


def draw_shares(shares: Mapping[str, Mapping[str, Sequence[float]]], path: Path) -> None:
    """Medians over seeds, and every seed as a small dot.

    Args:
        shares: By scenario and arm, one share of the gap a seed: 0 is more training on the old data, 1 the oracle.
        path: Of the picture.
    """
    figure = Figure(figsize=(9, 0.9 + 0.5 * len(shares)), dpi=100, layout="constrained")
    axes = figure.subplots()
    for place, arms in enumerate(shares.values()):
        for arm, colour in COLOURS.items():
            values = np.maximum(arms.get(arm, ()), LEAST)
            if len(values):
                axes.scatter(values, np.full(len(values), place), s=9, color=colour, alpha=0.5, linewidths=0)
                axes.scatter(median(values), place, s=70, color=colour, edgecolors="white", zorder=3)
    for arm, colour in COLOURS.items():
        axes.scatter([], [], s=70, color=colour, label=LABELS.get(arm, arm))
    for end in (0, 1):
        axes.axvline(end, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(shares)), [f"{name} ({max(map(len, arms.values()))})" for name, arms in shares.items()])
    axes.invert_yaxis()
    axes.set_xlim(LEAST - 0.05, 1.1)
    axes.set_xlabel("share of the gap: 0 is the old data again, 1 the oracle; medians, and every seed (their number)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(COLOURS), frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
