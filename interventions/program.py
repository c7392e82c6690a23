"""Load what a user's file registers: programs that write rows, and checkers that verify them."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from interventions.makers.row import Row


@dataclass(frozen=True, slots=True)
class Program:
    """Writes rows of one kind."""

    name: str
    make: Callable[[Mapping[str, str], int, Random], Row | None] | None
    """(conditions of the data slice, difficulty, source of chance) -> a row, or None where it has none for them.
    Without `make`, rows of the slice are perturbed."""
    accepts: Callable[[str, str], bool]
    """(prompt, completion) -> whether the completion is right, judged from the prompt alone, without `make`."""
    difficulties: Sequence[int] = (1,)


def load_programs(file: str) -> list[Program]:
    """Load the programs that a Python file registers.

    Raises:
        ValueError: there is no such file, it cannot be imported, or registers no program.
    """
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"interventions.programs {file} does not exist (looked from {Path.cwd()})")
    spec = importlib.util.spec_from_file_location(f"programs_{programs_digest(file)}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"interventions.programs must be a Python file, got {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(
            f"interventions.programs {file} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, "PROGRAMS", None)
    if not found or not all(isinstance(program, Program) for program in found):
        raise ValueError(
            f"interventions.programs {file} must define PROGRAMS, a list of interventions.program.Program, "
            f"got {found!r}"
        )
    if bad := [program.name for program in found if not program.difficulties]:
        raise ValueError(f"interventions.programs {file}: program {bad[0]} has no difficulty; give at least one")
    return list(found)


def programs_digest(file: str) -> str:
    """Hash of the file's content."""
    return hashlib.blake2b(Path(file).read_bytes(), digest_size=8).hexdigest()
