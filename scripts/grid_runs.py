"""Runs of the proving ground that probabilities of causes are fitted on, a line each in `docs/proof/causes/runs.jsonl`:
what was planted, what was named with which evidence, and what small trainings did."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from controller.prove.result import PROVE_FILE, ProveResult, read_prove
from evals.fixtures.worlds import FIT_WORLDS

KEPT_RUNS = Path(__file__).parents[1] / "docs" / "proof" / "causes" / "runs.jsonl"
KEPT_LONGER = KEPT_RUNS.with_name("longer.jsonl")
Longer = Mapping[tuple[str, int], Mapping[str, float]]
"""Score of each skill by world and seed."""
_DIGITS = 5
"""Significant digits that are kept of a number."""
_RESULT = TypeAdapter(ProveResult)

Key = tuple[str, str, float, int]


def key(result: ProveResult) -> Key:
    """World, scenario, intensity and seed: what makes a run another one."""
    return result.world, result.scenario, result.intensity, result.seed


def read_runs(path: Path = KEPT_RUNS) -> list[ProveResult]:
    """Read the kept runs; none where nothing is kept."""
    if not path.is_file():
        return []
    return [_RESULT.validate_json(line) for line in path.read_text().splitlines()]


def add_runs(folders: Sequence[Path], path: Path = KEPT_RUNS) -> list[ProveResult]:
    """Add the runs in the folders to the kept ones, in place of those of the same world, scenario, intensity and seed.

    Raises:
        SystemExit: a run is of a world that is kept for judging, or of other code than the rest.
    """
    known = {key(result): result for result in read_runs(path)}
    known |= {key(result): result for result in _found(folders)}
    versions = sorted({result.code_version for result in known.values()})
    _same_version(versions, path)
    results = [known[name] for name in sorted(known)]
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, [_line(result) for result in results])
    return results


def change_runs(change: Callable[[ProveResult], ProveResult], path: Path = KEPT_RUNS) -> None:
    """Put what `change` makes of each kept run in its place."""
    _write(path, [_line(change(result)) for result in read_runs(path)])


def check_version(version: str, path: Path = KEPT_RUNS) -> None:
    """Check that runs of a code version may be added to the kept ones.

    Raises:
        SystemExit: the kept runs are of another one.
    """
    _same_version(sorted({version, *(result.code_version for result in read_runs(path))}), path)


def _same_version(versions: Sequence[str], path: Path) -> None:
    if len(versions) > 1:
        raise SystemExit(
            f"runs of the code versions {' and '.join(versions)} do not stand in one table; play them with the code of "
            f"the kept ones (a git worktree of its commit on PYTHONPATH), or remove {path} to begin anew"
        )


def read_longer(path: Path = KEPT_LONGER) -> Longer:
    """Read what small models score that were trained twice as long; nothing where none is kept."""
    lines = path.read_text().splitlines() if path.is_file() else []
    return {(one["world"], one["seed"]): one["scores"] for one in map(json.loads, lines)}


def add_longer(folders: Sequence[Path], path: Path = KEPT_LONGER) -> Longer:
    """Add the runs of `small_model` with `prove.scenario.steps_share=2` in the folders to the kept ones."""
    found = {(result.world, result.seed): result.probe_scores for result in _found(folders)}
    known = {**read_longer(path), **found}
    lines = [{"world": world, "seed": seed, "scores": _short(known[world, seed])} for world, seed in sorted(known)]
    _write(path, [json.dumps(line, sort_keys=True) for line in lines])
    return known


def _write(path: Path, lines: Sequence[str]) -> None:
    """Put all lines in the place of what was kept: a kill leaves the one or the other. By itself, since the grid is
    played by the code of the kept runs, which may be older than `write_whole`."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(line + "\n" for line in lines))
    temporary.replace(path)


def _found(folders: Sequence[Path]) -> Iterator[ProveResult]:
    for found in sorted(path for folder in folders for path in folder.rglob(PROVE_FILE)):
        result = read_prove(found)
        if result.world not in FIT_WORLDS:
            raise SystemExit(f"the world {result.world} is kept for judging; fit on {', '.join(FIT_WORLDS)}")
        yield result


def _line(result: ProveResult) -> str:
    dumped = _RESULT.dump_python(result, mode="json", exclude_defaults=True)
    return json.dumps(_short(dumped), sort_keys=True, separators=(",", ":"))


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    return [_short(one) for one in value] if isinstance(value, list) else value
