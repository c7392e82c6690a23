"""Table and picture of `bench_peers.py`: what a score costs against what it predicts."""

import statistics
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Results = dict[str, Any]
"""The JSON: `quality` by method, `cost_ratios` by package, `versions`, `trivial`, `not_installed`."""

COLUMNS = ("within_slice_lds", "lds_all", "slice_lds", "slice_top1")
TITLES = {
    "within_slice_lds": "Predicts retraining beyond slice membership (within_slice_lds)",
    "lds_all": "Predicts retraining (lds_all)",
}
OURS, ACCENT, GREY = ("evalmend", "evalmend, 32 columns"), "tab:green", "0.45"
LABEL_PLACES = {
    "evalmend": (-1, 12, -8, "left"),
    "evalmend, 32 columns": (-1, -14, -2, "right"),
    "dattri": (0, 2, -14, "right"),
    "bergson": (-1, 6, -4, "left"),
    "captum": (0, 2, -14, "right"),
}
"""Where the default covers others: which point, how far right of and above it, and the side that is aligned there."""


def table(results: Results) -> str:
    lines = [f"| method | version | cost | {' | '.join(COLUMNS)} |", "|---" * (3 + len(COLUMNS)) + "|"]
    for name, figures in sorted(results["quality"].items(), key=lambda item: -item[1][COLUMNS[0]]):
        cost = f"{_cost(results, figures):.2f}" if figures["package"] in results["cost_ratios"] else "-"
        row = [name, results["versions"][figures["package"]], cost, *(f"{figures[column]:.3f}" for column in COLUMNS)]
        lines.append(f"| {' | '.join(row)} |")
    for name, figures in results.get("trivial", {}).items():
        lines.append(f"| {name} | | 0 | {' | '.join(f'{figures[column]:.3f}' for column in COLUMNS)} |")
    return "\n".join(lines + [f"not installed: {name}" for name in results["not_installed"]])


def draw(results: Results, path: Path) -> None:
    """One line for each package, a point for each number of checkpoints, with that number beside it."""
    figure = Figure(figsize=(11, 4.8), layout="constrained", facecolor="white")
    for axes, (column, title) in zip(figure.subplots(1, 2), TITLES.items(), strict=True):
        _panel(axes, results, column)
        axes.set_title(title, fontsize=10)
    figure.supxlabel(
        "seconds over a plain forward and backward pass; small numbers: checkpoints; dashed: no gradient", fontsize=9
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _panel(axes: Axes, results: Results, column: str) -> None:
    packages: dict[str, list[dict[str, Any]]] = {}
    for figures in results["quality"].values():
        if figures["package"] in results["cost_ratios"]:
            packages.setdefault(figures["package"], []).append(figures)
    for package, unsorted in packages.items():
        points = sorted(unsorted, key=lambda point: int(point["num_checkpoints"]))
        colour = ACCENT if package in OURS else GREY
        costs = [_cost(results, point) for point in points]
        axes.plot(costs, [point[column] for point in points], "o-", color=colour, linewidth=1.2, markersize=5)
        for cost, point in zip(costs, points, strict=True):
            axes.annotate(
                str(point["num_checkpoints"]),
                (cost, point[column]),
                xytext=(-4, 4),
                textcoords="offset points",
                ha="right",
                fontsize=7,
                color=colour,
            )
        which, right, up, side = LABEL_PLACES.get(package, (-1, 6, 3, "left"))
        axes.annotate(
            points[which]["label"],
            (costs[which], points[which][column]),
            xytext=(right, up),
            textcoords="offset points",
            ha=side,
            fontsize=9,
            color=colour,
            weight="bold" if package in OURS else "normal",
        )
    for name, figures in results["trivial"].items():
        axes.axhline(figures[column], color="0.7", linewidth=0.8, linestyle="--", zorder=0)
        axes.annotate(
            name.replace(", ", ",\n"),
            (1, figures[column]),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color="0.5",
        )
    axes.set_xscale("log")
    axes.set_ylim(bottom=min(0, *(figures[column] for figures in results["trivial"].values())) - 0.01)
    axes.margins(x=0.15)
    axes.set_xlim(left=0.35)
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _cost(results: Results, figures: dict[str, Any]) -> float:
    """Median of the measured pairs, times the number of checkpoints."""
    ratios: list[float] = results["cost_ratios"][figures["package"]]
    return statistics.median(ratios) * int(figures["num_checkpoints"])
