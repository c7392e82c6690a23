"""How small a defect is still found, and what is said of it: shares of runs by scenario and intensity, drawn.

    python scripts/limits_picture.py [--picture docs/limits.png]      # the kept runs; some minutes
    evalmend prove --multirun scenario=wrong_labels,starved_skill world=skills,mails \
        prove.scenario.intensity=.25,.5,.75,1 'seed=range(0,3)' prove.stop=diagnosis
    python scripts/limits_picture.py FOLDER ... --picture limits.png  # runs of your own

The kept runs of the grid (`scripts/play_grid.py`) are told anew, each world by what was fitted on all others; runs in
folders count as they were told. A run counts by its first finding on a skill that suffers from what was planted: right
where the first cause is a true one, undecided where it is `unknown` (with the true cause next, or another), wrong
otherwise, and not seen where no such slice is named. Runs in which a repair has less than a tenth to gain are left out:
there is nothing to find. How much there is to gain is the score of a clean run of the same world, in any folder, less
that of the run.
"""

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from grid_runs import read_longer, read_runs
from matplotlib.figure import Figure
from planted_truth import LEAST_GAP, clean_scores, gap_of, is_planted
from retold import retold

from controller.prove.result import PROVE_FILE, Named, ProveResult, read_prove
from diagnose.finding.finding import Cause

RIGHT, NEXT, UNDECIDED, WRONG, UNSEEN = "right", "undecided, the true cause next", "undecided", "wrong", "not seen"
COLOURS = {RIGHT: "tab:green", NEXT: "#a6d8a6", UNDECIDED: "0.8", WRONG: "tab:red", UNSEEN: "white"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--picture", type=Path, default=Path("docs/limits.png"))
    options = parser.parse_args()
    found = [path for folder in options.folders for path in sorted(folder.rglob(PROVE_FILE))]
    played = [read_prove(path) for path in found] if options.folders else read_runs()
    results = played if options.folders else retold(played, read_longer())
    told: dict[str, dict[float, list[str]]] = defaultdict(lambda: defaultdict(list))
    clean = clean_scores(results)
    for result in results:
        gap = gap_of(result, clean.get(result.world, {}))
        if result.true_causes and gap is not None and gap >= LEAST_GAP:
            told[result.scenario][result.intensity].append(said(result))
    if not told:
        raise SystemExit("no run with a gap of a tenth; clean runs of the same worlds are needed too")
    print(table(told))
    print(changes_for_little(played, clean))
    draw(told, options.picture)
    print(f"wrote {options.picture}")


def said(result: ProveResult) -> str:
    """What is said of the skills that suffer."""
    first = next((one for one in result.named if is_about(result, one)), None)
    if first is None:
        return UNSEEN
    if first.cause in result.true_causes:
        return RIGHT
    if first.cause != Cause.UNKNOWN:
        return WRONG
    others = {cause: share for cause, share in first.causes.items() if cause != Cause.UNKNOWN}
    return NEXT if others and max(others, key=lambda cause: others[cause]) in result.true_causes else UNDECIDED


def changes_for_little(results: Sequence[ProveResult], clean: Mapping[str, Mapping[str, float]]) -> str:
    """Say in how many runs with little to gain a change of the data was proposed, by what was named when they ran:
    where nothing is planted or nothing can be done, and where a defect costs less than a tenth."""
    nothing, little = list[ProveResult](), list[ProveResult]()
    for result in results:
        gap = gap_of(result, clean.get(result.world, {}))
        if not result.true_causes:
            nothing.append(result)
        elif gap is not None and gap < LEAST_GAP and Cause.CONTAMINATION not in result.true_causes:
            little.append(result)
    right = sum(said(one) == RIGHT for one in little if one.actions)
    return (
        f"a change of the data is proposed in {sum(bool(one.actions) for one in nothing)} of {len(nothing)} runs where "
        f"nothing is planted or can be done, and in {sum(bool(one.actions) for one in little)} of {len(little)} where "
        f"a defect costs less than {LEAST_GAP:g}; in {right} of these its cause is named"
    )


def is_about(result: ProveResult, named: Named) -> bool:
    return named.cause != Cause.CONTAMINATION and is_planted(result, named)


def table(told: Mapping[str, Mapping[float, Sequence[str]]]) -> str:
    lines = [f"| scenario | intensity | runs | {' | '.join(COLOURS)} |", f"|---|---|---|{'---|' * len(COLOURS)}"]
    for scenario in sorted(told):
        for intensity in sorted(told[scenario]):
            runs = told[scenario][intensity]
            counts = " | ".join(str(runs.count(name)) for name in COLOURS)
            lines.append(f"| `{scenario}` | {intensity:g} | {len(runs)} | {counts} |")
    return "\n".join(lines)


def draw(told: Mapping[str, Mapping[float, Sequence[str]]], path: Path) -> None:
    """Draw stacked shares of runs, a row of bars for each scenario."""
    figure = Figure(figsize=(9, 1.1 + 0.75 * len(told)), dpi=100, layout="constrained")
    axes = figure.subplots(len(told), 1, squeeze=False, sharex=True)[:, 0]
    places = sorted({intensity for of in told.values() for intensity in of})
    for axis, scenario in zip(axes, sorted(told), strict=True):
        for place, intensity in enumerate(places):
            runs, bottom = told[scenario].get(intensity, ()), 0.0
            for name, colour in COLOURS.items() if runs else ():
                share = runs.count(name) / len(runs)
                axis.bar(place, share, bottom=bottom, color=colour, edgecolor="0.5", linewidth=0.5, width=0.8)
                bottom += share
            axis.text(place, 1.04, str(len(runs)) if runs else "", ha="center", fontsize=7, color="0.4")
        axis.set_ylim(0, 1.2)
        axis.set_yticks([])
        axis.set_ylabel(scenario, rotation=0, ha="right", va="center")
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[-1].set_xticks(range(len(places)), [f"{place:g}" for place in places])
    axes[-1].set_xlabel("intensity of what is planted; above each bar the number of runs with something to find")
    handles = [figure.axes[0].bar(0, 0, color=c, edgecolor="0.5", linewidth=0.5, label=n) for n, c in COLOURS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(COLOURS), frameon=False, fontsize=9)
    figure.savefig(path)


if __name__ == "__main__":
    main()
