"""The checkout that is tested: its folders, its scripts, and the program started as a command."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
"""Data that is not in the repository; a test that needs it is skipped where it is not there."""


def script(name: str) -> ModuleType:
    """A module of `scripts/`, which is no package; it may import its neighbours."""
    folder = ROOT / "scripts"
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


def start(words: list[str], folder: Path) -> subprocess.Popen[str]:
    """`evalmend` with these words, started in `folder`, offline."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "controller.main", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hears_ctrl_c,  # noqa: PLW1509  # the tests run no threads
    )


def _hears_ctrl_c() -> None:
    """Shells have what they start in the background ignore Ctrl-C, and children inherit that; so may these tests."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def finish(process: "subprocess.Popen[str]") -> str:
    """What a started program writes, after it has ended well."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def journal(run_dir: Path) -> list[dict[str, Any]]:
    """Lines of a run's journal, none where it has not begun."""
    path = run_dir / "journal.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
