"""What diagnoses are worth in the world that is kept for judging them, from `prove.json` files.

    evalmend prove --multirun 'scenario=glob(*,exclude=[rare_in_pool,no_pool])' world=grammar \
        'seed=range(0,20)' prove.stop=diagnosis
    evalmend prove --multirun scenario=clean world=grammar 'seed=range(20,60)' prove.stop=diagnosis
    python scripts/judge_causes.py [FOLDER ...] [--version HASH] [--world grammar] [--page docs/proving_ground.md] \
        [--picture docs/causes.png]

Results in the folders (default `runs/prove`) are first copied to `docs/proof/prove/<code version>/`, where they are
kept; one code version is judged, by default the newest in the folders. Printed, put into the page and drawn: how often
the first-named cause is a true one, with the confusion matrix; what is done about causes that are not the data; how far
probabilities can be believed.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from cause_worth import calibration_error
from kept_results import NONE, PAGE, ROOT, RUNS, first_cause, is_right, kept_of, order, put_into
from planted_truth import planted_cause
from sklearn.metrics import f1_score

from controller.prove.result import Named, ProveResult
from diagnose.finding.finding import NOT_DATA, Cause
from evals.statistics.intervals import wilson

JUDGED = "grammar"
BEGIN, END = "<!-- judge_causes: begin -->", "<!-- judge_causes: end -->"


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    count: int
    total: int

    def __str__(self) -> str:
        if not self.total:
            return "none"
        interval = wilson(self.count, self.total)
        share = self.count / self.total
        return f"{self.count} of {self.total}: {share:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[RUNS])
    parser.add_argument("--version")
    parser.add_argument(
        "--world", default=JUDGED, help="another one says what the model says of worlds it was fitted on"
    )
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "causes.png")
    options = parser.parse_args()
    version, results = kept_of(options.folders, options.version, options.world)
    head = f"World `{options.world}`, code version `{version}`, {len(results)} runs."
    text = f"{head}\n\n{summary(results)}\n{table(results)}"
    print(text)
    if options.world == JUDGED:
        draw_confusion(results, options.picture)
        picture = os.path.relpath(options.picture, options.page.parent)
        text += f"\n![True causes against those named first]({picture})\n"
        put_into(options.page, text, BEGIN, END)


def summary(results: Sequence[ProveResult]) -> str:
    """The numbers over all scenarios; intervals are Wilson's at 95 %."""
    planted = [result for result in results if result.true_causes]
    clean = [result for result in results if not result.true_causes]
    not_data = [r for r in planted if all(Cause(cause) in NOT_DATA for cause in r.true_causes)]
    both = [result for result in results if result.scenario in ("two_defects", "two_in_one")]
    truth, named = [true_label(r) for r in results], [first_cause(r) for r in results]
    causes = sorted({label for label in truth if label != NONE})
    found = [pair for result in results for pair in findings(result)]
    shares = [result.pilot_share for result in results if result.pilot_share]
    confidence, right = np.array([n.probability for n, _ in found]), np.array([ok for _, ok in found])
    lines = {
        "first-named cause is a true one": Share(sum(map(is_right, planted)), len(planted)),
        f"macro-F1 over {len(causes)} causes": f"{f1_score(truth, named, labels=causes, average='macro'):.3f}",
        "not the data, yet data is changed": Share(sum(bool(r.actions) for r in not_data), len(not_data)),
        "nothing is wrong, and nothing is named": Share(sum(map(is_right, clean)), len(clean)),
        "both of two defects are named": Share(sum(map(has_both, both)), len(both)),
        f"expected calibration error of {len(found)} findings": f"{calibration_error(confidence, right):.3f}",
    }
    if shares:
        took = f"median {np.median(shares):.2f}, at most {max(shares):.2f}"
        lines[f"small trainings of {len(shares)} of {len(results)} runs, share of a round's tokens"] = took
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in lines.items())


def table(results: Sequence[ProveResult]) -> str:
    """One line for each scenario."""
    lines = ["| scenario | true | first-named cause is true | named first |", "|---|---|---|---|"]
    for scenario in sorted({result.scenario for result in results}, key=order):
        mine = [result for result in results if result.scenario == scenario]
        names = [first_cause(result) for result in mine]
        told = ", ".join(f"`{name}` {names.count(name)}" for name in sorted(set(names), key=names.count, reverse=True))
        true = " or ".join(f"`{cause}`" for cause in mine[0].true_causes) or NONE
        lines.append(f"| `{scenario}` | {true} | {sum(map(is_right, mine))} of {len(mine)} | {told} |")
    return "\n".join(lines) + "\n"


def true_label(result: ProveResult) -> str:
    """The named one if it is true, else the first true cause."""
    if not result.true_causes:
        return NONE
    return first_cause(result) if is_right(result) else result.true_causes[0]


def findings(result: ProveResult) -> Iterator[tuple[Named, bool]]:
    """Each with whether its cause is true: of two defects, that of the skill which it names."""
    for named in result.named:
        own = planted_cause(result, named) if result.scenario == "two_defects" else None
        yield named, named.cause == own if own is not None else named.cause in result.true_causes


def has_both(result: ProveResult) -> bool:
    named = {cause for named, is_true in findings(result) if is_true for cause in (named.cause, *named.shown_causes)}
    return set(result.true_causes) <= named


def draw_confusion(results: Sequence[ProveResult], path: Path) -> None:
    """A true cause, the named one where it is true, against the first-named one; counts of runs."""
    causes = [NONE, *(cause.value for cause in Cause)]
    counts = np.zeros((len(causes), len(causes)), int)
    for result in results:
        named = first_cause(result)
        counts[causes.index(true_label(result)), causes.index(named)] += 1
    rows = [k for k in range(len(causes)) if counts[k].any()]
    columns = [k for k in range(len(causes)) if counts[:, k].any() or k in rows]
    shown = counts[np.ix_(rows, columns)]
    figure, axes = plt.subplots(figsize=(1.6 + 0.75 * len(columns), 1.6 + 0.5 * len(rows)), layout="constrained")
    axes.imshow(shown / np.maximum(shown.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(shown.shape):
        if shown[row, column]:
            share = shown[row, column] / shown[row].sum()
            axes.text(
                column, row, shown[row, column], ha="center", va="center", color="white" if share > 0.6 else "black"
            )
    axes.set_xticks(range(len(columns)), [causes[k] for k in columns], rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), [causes[k] for k in rows])
    axes.set_xlabel("named first")
    axes.set_ylabel("true")
    axes.spines[:].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
