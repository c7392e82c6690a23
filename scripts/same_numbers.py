"""Do two results say the same, to the last digit? For changes of the code that must change no number.

    python scripts/same_numbers.py BEFORE AFTER

Each is a `loop.json`, a `prove.json`, the output of `bench_gate.py --json`, or a folder whose files of these names are
compared by their place. Seconds, versions, keys of stages and the process are left aside; the first differences are
listed, with their places. Exit code 1 where there are any.
"""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("loop.json", "prove.json", "gate.json")
ASIDE = {"seconds", "versions", "code_version", "config_hash", "data_hash", "pid", "status"}
"""Keys whose values say nothing of the result."""
_DIGEST = re.compile(r"-[0-9a-f]{16}\b")
"""Ends the name of a stage's folder."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--ignore", nargs="*", default=[], help="further keys that are left aside")
    options = parser.parse_args()
    aside, num_different = ASIDE | set(options.ignore), 0
    for before, after in _pairs(options.before, options.after):
        found = list(differences(json.loads(before.read_text()), json.loads(after.read_text()), aside))
        num_different += len(found)
        print(f"{before}: {'the same' if not found else f'{len(found)} values differ'}")
        for line in found[:20]:
            print(f"  {line}")
    raise SystemExit(1 if num_different else 0)


def _pairs(before: Path, after: Path) -> Iterator[tuple[Path, Path]]:
    if before.is_file():
        yield before, after
        return
    files = sorted(path for name in NAMES for path in before.rglob(name))
    if not files:
        raise SystemExit(f"{before} holds no {', '.join(NAMES)}")
    for path in files:
        other = after / path.relative_to(before)
        if not other.is_file():
            raise SystemExit(f"{other} is missing, which {before} has")
        yield path, other


def differences(before: Any, after: Any, aside: set[str], place: str = "") -> Iterator[str]:
    """Places where the values differ. Keys that are new after contradict nothing."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() - aside):
            if key not in after:
                yield f"{place}/{key}: missing after"
            else:
                yield from differences(before[key], after[key], aside, f"{place}/{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{place}: {len(before)} and {len(after)} values"
        for number, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from differences(one, other, aside, f"{place}/{number}")
    elif _plain(before) != _plain(after):
        yield f"{place}: {before!r} and {after!r}"


def _plain(value: Any) -> Any:
    return _DIGEST.sub("", value) if isinstance(value, str) else value


if __name__ == "__main__":
    main()
