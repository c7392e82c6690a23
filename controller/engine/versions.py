"""Version code by a hash of the modules that a function can run, and of the files that they read.

A training must not be repeated because a word of a page has changed, and must be when a line of the trainer has. All
imports of these packages stand at the top of their modules, so the modules that a function can run are exactly those
that its own module imports, directly or not. `grimp` reads them from the source without importing anything.
"""

import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import grimp

PACKAGES = ("evals", "diagnose", "interventions", "controller")
ROOT = Path(__file__).parents[2]
"""Folder of the packages, in a checkout or an installation."""


class Code:
    """Source of the packages in one folder.

    Args:
        root: Folder of the packages.
        graph: Imports between the modules.
    """

    def __init__(self, root: Path, graph: grimp.ImportGraph) -> None:
        self._root = root
        self._graph = graph
        self._digests: dict[str, str] = {}

    def version(self, modules: Iterable[str]) -> str:
        """Hash everything that importing these modules runs; of a module outside the packages its own file."""
        ours = {module for module in modules if module in self._graph.modules}
        lines = [f"{module} {self._digest(module)}" for module in sorted(self.closure(ours))]
        lines += [f"{module} {_foreign(module)}" for module in sorted(set(modules) - ours)]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def closure(self, modules: Iterable[str]) -> set[str]:
        """Collect the modules, all that they import, directly or not, and the packages that these lie in."""
        found: set[str] = set()
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module not in found:
                found.add(module)
                waiting += [*self._graph.find_modules_directly_imported_by(module), *_parents(module)]
        return found

    def _digest(self, module: str) -> str:
        if module not in self._digests:
            digest = hashlib.sha256()
            for file in self.files(module):
                digest.update(file.name.encode() + b"\x00" + file.read_bytes())
            self._digests[module] = digest.hexdigest()[:16]
        return self._digests[module]

    def files(self, module: str) -> list[Path]:
        """List a module's source, and the files beside it that it names."""
        path = self._root.joinpath(*module.split("."))
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        text = source.read_text(encoding="utf-8")
        beside = sorted(file for file in source.parent.iterdir() if file.is_file() and file.suffix != ".py")
        return [source, *(file for file in beside if f'"{file.name}"' in text)]


@cache
def this_code() -> Code:
    """The code of this process."""
    return Code(ROOT, grimp.build_graph(*PACKAGES, cache_dir=None))


@cache
def code_version() -> str:
    """Hash the four packages and `conf/`, for results that are kept; not the commit, so a note changes nothing."""
    digest = hashlib.sha256()
    for package in (*PACKAGES, "conf"):
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file() and path.suffix in {".py", ".yaml", ".j2", ".css", ".json", ".jsonl"}:
                digest.update(str(path.relative_to(ROOT)).encode() + b"\x00" + path.read_bytes())
    return digest.hexdigest()[:16]


def _parents(module: str) -> Iterator[str]:
    """Yield the packages around a module: importing it runs their `__init__` too."""
    parts = module.split(".")[:-1]
    return (".".join(parts[: place + 1]) for place in range(len(parts)))


def _foreign(module: str) -> str:
    """Hash the file of a module of a user's own; its name where it has none."""
    file = inspect.getsourcefile(sys.modules[module]) if module in sys.modules else None
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if file is not None else module
