"""The imports inside each package as a table: rooms, arrows between them, and floors, the longest chain of arrows.

    python scripts/architecture.py                     writes the table into docs/architecture.md
    python scripts/architecture.py --root CHECKOUT     prints that of another checkout, to compare

A room is a module or folder at the top of a package. An arrow says that a room imports another one, however often. What
`lint-imports` says of the contracts in pyproject.toml stands under the table.
"""

import argparse
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grimp

PACKAGES = ("evals", "diagnose", "interventions", "controller", "service")
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
START, END = "<!-- made by scripts/architecture.py -->\n", "<!-- end -->\n"


@dataclass(frozen=True, slots=True)
class Plan:
    """Which rooms of a package import which."""

    package: str
    imports: Mapping[str, frozenset[str]]
    """Other rooms that each room imports."""

    @property
    def num_arrows(self) -> int:
        return sum(len(others) for others in self.imports.values())

    def floors(self) -> list[list[str]]:
        """Rooms by floor, the lowest first; a room stands above all that it imports.

        Raises:
            ValueError: rooms import each other.
        """
        floors: list[list[str]] = []
        placed: set[str] = set()
        while len(placed) < len(self.imports):
            floor = sorted(room for room, others in self.imports.items() if room not in placed and others <= placed)
            if not floor:
                raise ValueError(f"{', '.join(sorted(set(self.imports) - placed))} of {self.package} import each other")
            floors.append(floor)
            placed |= set(floor)
        return floors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="of another checkout, whose table is printed")
    options = parser.parse_args()
    sys.path.insert(0, str((options.root or ROOT).absolute()))
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    table = "\n".join(_lines([plan_of(graph, package) for package in PACKAGES]))
    if options.root is not None:
        print(table)
        return
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    kept = linted.stdout[linted.stdout.index("Analyzed") :].strip()
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    page = f"{before}{START}\n{table}\n\n```\n{kept}\n```\n\n{END}{after}"
    PAGE.write_text(page, encoding="utf-8")
    print(table)
    raise SystemExit(linted.returncode)


def plan_of(graph: grimp.ImportGraph, package: str) -> Plan:
    """The rooms of a package; what stands in its `__init__` is no room."""
    imports: dict[str, set[str]] = defaultdict(set)
    for module in sorted(graph.modules):
        if not module.startswith(f"{package}."):
            continue
        room = module.split(".")[1]
        imported = graph.find_modules_directly_imported_by(module)
        others = {other.split(".")[1] for other in imported if other.startswith(f"{package}.")}
        imports[room] |= others - {room}
    return Plan(package, {room: frozenset(others) for room, others in imports.items()})


def _lines(plans: list[Plan]) -> list[str]:
    lines = ["| package | rooms | arrows | floors | rooms by floor, the highest first |", "|---|---|---|---|---|"]
    for plan in plans:
        try:
            floors = plan.floors()
            told = "; ".join(", ".join(floor) for floor in reversed(floors))
            number = str(len(floors))
        except ValueError as error:
            number, told = "none", f"import each other: {str(error).partition(' of ')[0]}"
        lines.append(f"| `{plan.package}` | {len(plan.imports)} | {plan.num_arrows} | {number} | {told} |")
    return lines


if __name__ == "__main__":
    main()
