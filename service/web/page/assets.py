"""Files that pages load, each at an address that changes with its content, so that browsers may keep it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import Response

import controller
from service.requests.errors import Unknown

FOLDER = Path(__file__).parent / "static"
REPORT_STYLE = Path(controller.__file__).parent / "results" / "page" / "templates" / "page.css"
"""Style of the report, whose pictures the pages show."""
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
KEPT = "public, max-age=31536000, immutable"
PREFIX = "/static/"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages load."""

    content: bytes
    media_type: str
    digest: str
    """Begin of the hash of its content."""


class Assets:
    """All of them, read once."""

    def __init__(self) -> None:
        paths = {path.name: path for path in FOLDER.rglob("*") if path.suffix in TYPES} | {"report.css": REPORT_STYLE}
        self._known: Mapping[str, Asset] = {name: _read(path) for name, path in paths.items()}

    def address(self, name: str) -> str:
        """Address of a file, by its name."""
        return f"{PREFIX}{self._known[name].digest}/{name}"

    def routes(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)

        @router.get(f"{PREFIX}{{digest}}/{{name}}")
        def asset(digest: str, name: str) -> Response:
            found = self._known.get(name)
            if found is None or found.digest != digest:
                raise Unknown("no such file")
            return Response(found.content, media_type=found.media_type, headers={"cache-control": KEPT})

        return router


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:16])
