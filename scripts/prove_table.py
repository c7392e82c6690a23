"""The README's table of the proving ground, from `prove.json` files.

    python scripts/prove_table.py [FOLDER ...] [--version HASH] [--readme README.md]

Results in the folders (default `runs/prove`) are first copied to `docs/proof/prove/<code version>/`, where they are
kept; the table is made of one code version's results, the newest by default. Full runs and runs that were stopped
at the plan count alike for causes; decisions, gains and shares come from full runs only.
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from controller.prove.result import PROVE_FILE, ProveResult, read_prove
from evals.intervals import wilson

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "proof" / "prove"
NONE = "none"
ORDER = (
    "clean",
    "missing_skill",
    "starved_skill",
    "rare_in_pool",
    "no_pool",
    "wrong_labels",
    "duplicate_flood",
    "shortcut",
    "format_shift",
    "masked_end",
    "short_training",
    "leaked_eval",
    "wrong_gold",
    "small_model",
    "forgetting_trap",
    "two_defects",
)
BEGIN, END = "<!-- prove_table: begin -->", "<!-- prove_table: end -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, default=[ROOT / "runs" / "prove"])
    parser.add_argument("--version")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    options = parser.parse_args()
    keep(options.folders)
    version = options.version or newest()
    results = [read_prove(path) for path in sorted((KEPT / version).glob("*.json"))]
    if not results:
        raise SystemExit(f"no prove.json of code version {version} in {KEPT}; run evalmend prove first")
    text = f"Code version `{version}`, {len(results)} runs.\n\n{table(results)}"
    print(text)
    put_into(options.readme, text, BEGIN, END)


def keep(folders: Sequence[Path]) -> None:
    """Copy results to where they are kept, by code version; a full run wins over one stopped at the plan."""
    for folder in folders:
        for path in sorted(folder.rglob(PROVE_FILE)):
            result = read_prove(path)
            name = f"{result.scenario}-{result.world}-{result.seed}.json"
            kept = KEPT / result.code_version / name
            if kept.is_file() and read_prove(kept).stopped_at is None and result.stopped_at is not None:
                continue
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, kept)


def kept_of(folders: Sequence[Path], version: str | None, world: str) -> tuple[str, list[ProveResult]]:
    """A code version, the newest by default, and its kept results in a world, those of the folders among them."""
    keep(folders)
    version = version or newest()
    results = [read_prove(path) for path in sorted((KEPT / version).glob(f"*-{world}-*.json"))]
    if not results:
        raise SystemExit(f"no prove.json of world {world} and code version {version}; run evalmend prove first")
    return version, results


def newest() -> str:
    """Code version of the newest kept result."""
    files = list(KEPT.glob("*/*.json"))
    if not files:
        raise SystemExit(f"no prove.json in {KEPT}; run evalmend prove first")
    return max(files, key=lambda path: path.stat().st_mtime).parent.name


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


def first_cause(result: ProveResult) -> str:
    return result.named[0].cause if result.named else NONE


def is_right(result: ProveResult) -> bool:
    """Whether the first-named cause is a true one; where nothing is wrong, whether nothing was found."""
    return first_cause(result) in result.true_causes if result.true_causes else not result.named


def is_found(result: ProveResult) -> bool:
    """Whether the first finding's items are of a skill that a defect was planted in."""
    if result.slice is None:
        return False
    named = set(result.slice.values())
    return any(skill in named or f"{result.world}_{skill}" in named for skill in result.true_slices)


def put_into(readme: Path, text: str, begin: str, end: str) -> None:
    """Replace what stands between the marks."""
    content = readme.read_text()
    if begin not in content or end not in content:
        print(f"{readme} has no place for the table ({begin} ... {end})")
        return
    before, _, rest = content.partition(begin)
    _, _, after = rest.partition(end)
    readme.write_text(f"{before}{begin}\n{text}{end}{after}")


def _counts(values: Sequence[str]) -> str:
    return ", ".join(f"{value} {count}" for value, count in Counter(v for v in values if v).most_common())


def order(scenario: str) -> tuple[int, str]:
    """Known scenarios first, in the order in which they are explained."""
    return (ORDER.index(scenario) if scenario in ORDER else len(ORDER), scenario)


if __name__ == "__main__":
    main()
