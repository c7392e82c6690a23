"""A table of proving-ground runs, from `prove.json` files.

    python scripts/prove_table.py [FOLDER ...] [--version HASH]

Results in the folders (default `runs/prove`) are first copied to `docs/proof/prove/<code version>/`, where they are
kept; the table is made of one code version's results, by default the newest in the folders. Full runs and runs that
were stopped at the plan count alike for causes; decisions, gains and shares come from full runs only.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from kept_results import RUNS, first_cause, is_right, kept_of, order

from controller.prove.result import ProveResult
from evals.statistics.intervals import wilson


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[RUNS])
    parser.add_argument("--version")
    options = parser.parse_args()
    version, results = kept_of(options.folders, options.version)
    print(f"Code version `{version}`, {len(results)} runs.\n\n{table(results)}")


def table(results: Sequence[ProveResult]) -> str:
    """One line for each scenario, over worlds and seeds."""
    lines = [
        "| scenario | runs | first cause right | slice found | named first | decisions | gap share | guards broken "
        "| leaked rows | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for scenario in sorted({result.scenario for result in results}, key=order):
        mine = [result for result in results if result.scenario == scenario]
        full = [result for result in mine if result.stopped_at is None]
        right, found = sum(map(is_right, mine)), [is_found(result) for result in mine if result.true_slices]
        shares = [result.gap_share.mean for result in full if result.gap_share is not None]
        interval = wilson(right, len(mine))
        lines.append(
            f"| `{scenario}` | {len(mine)} | {right} of {len(mine)} ({interval.low:.2f} to {interval.high:.2f}) "
            f"| {f'{sum(found)} of {len(found)}' if found else ''} "
            f"| {_counts([first_cause(result) for result in mine])} "
            f"| {_counts([result.decision or '' for result in full])} "
            f"| {f'{median(shares):.2f}' if shares else ''} "
            f"| {sum(bool(result.guards_broken) for result in full)} "
            f"| {sum(result.contaminated_rows for result in mine)} "
            f"| {median([result.seconds for result in full or mine]):.0f} |"
        )
    return "\n".join(lines) + "\n"


def is_found(result: ProveResult) -> bool:
    """Whether the first finding's items are of a skill that a defect was planted in."""
    if result.slice is None:
        return False
    named = set(result.slice.values())
    return any(skill in named or f"{result.world}_{skill}" in named for skill in result.true_slices)


def _counts(values: Sequence[str]) -> str:
    return ", ".join(f"{value} {count}" for value, count in Counter(v for v in values if v).most_common())


if __name__ == "__main__":
    main()
