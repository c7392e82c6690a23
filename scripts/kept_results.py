"""Results of the proving ground that are kept in `docs/proof/prove/<code version>/`, and the page that tells them."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from controller.prove.result import PROVE_FILE, ProveResult, read_prove
from diagnose.finding.finding import Cause
from evals.fixtures.worlds import ASKED_WORLDS, WORLDS

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "proof" / "prove"
PAGE = ROOT / "docs" / "proving_ground.md"
RUNS = ROOT / "runs" / "prove"
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


def kept_of(folders: Sequence[Path], version: str | None, world: str = "*") -> tuple[str, list[ProveResult]]:
    """A code version and its kept results in a world, those of the folders among them.

    Args:
        folders: Their results are copied to the kept ones first.
        version: Without it that of the newest result in the folders, or the only one that is kept.
        world: Its name; any by default.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    newest = [result.code_version for result in keep(folders) if world in ("*", result.world)][-1:]
    kept = sorted(path.name for path in KEPT.iterdir() if any(path.glob(f"*-{world}-*.json")))
    if version is None:
        if not newest and len(kept) != 1:
            raise SystemExit(f"kept code versions: {', '.join(kept) or 'none'}; choose with --version")
        version = newest[0] if newest else kept[0]
    results = [read_prove(path) for path in sorted((KEPT / version).glob(f"*-{world}-*.json"))]
    if not results:
        raise SystemExit(f"no prove.json of world {world} and code version {version}; kept are {', '.join(kept)}")
    return version, results


def keep(folders: Sequence[Path]) -> Iterator[ProveResult]:
    """Results in the folders, the newest last; each is copied to where it is kept.

    A full run wins over one that was stopped at the plan. One with other settings than the kept run of the same
    scenario, world and seed is left out, and said to be.
    """
    found = [path for folder in folders for path in folder.rglob(PROVE_FILE)]
    for path in sorted(found, key=lambda path: path.stat().st_mtime):
        result = read_prove(path)
        kept = KEPT / result.code_version / f"{result.scenario}-{result.world}-{result.seed}.json"
        there = read_prove(kept) if kept.is_file() else None
        if there is None or (there.stopped_at is not None and result.stopped_at is None):
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, kept)
        elif there.config_hash != result.config_hash and there.stopped_at == result.stopped_at:
            print(f"left out: {path} has other settings than {kept.relative_to(ROOT)}", file=sys.stderr)
        yield result


def put_into(page: Path, text: str, begin: str, end: str) -> None:
    """Replace what stands between the marks."""
    content = page.read_text()
    if begin not in content or end not in content:
        print(f"{page} has no place for the table ({begin} ... {end})")
        return
    before, _, rest = content.partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}\n{text.rstrip()}\n{end}{after}")


def first_cause(result: ProveResult) -> str:
    return result.named[0].cause if result.named else NONE


def is_right(result: ProveResult) -> bool:
    """Whether the first-named cause is a true one; where nothing is wrong, whether nothing was found, or in plain text,
    of which half fails in any case, no cause was named."""
    if result.true_causes:
        return first_cause(result) in result.true_causes
    is_asked = result.world not in WORLDS or result.world in ASKED_WORLDS
    return not result.named or (not is_asked and first_cause(result) == Cause.UNKNOWN)


def order(scenario: str) -> tuple[int, str]:
    """Known scenarios first, in the order in which they are explained."""
    return (ORDER.index(scenario) if scenario in ORDER else len(ORDER), scenario)
