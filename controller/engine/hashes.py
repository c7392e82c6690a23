"""Hash contents to keys, so that an old result is unreachable once anything that made it has changed."""

import hashlib
import json
from pathlib import Path
from typing import Any


def hash_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def fingerprint(path: Path) -> Any:
    """List names and hashes of a file or of a folder's files; the name itself where there is neither."""
    if path.is_file():
        return [[path.name, _file_hash(path)]]
    if path.is_dir():
        return [[file.name, _file_hash(file)] for file in sorted(path.iterdir()) if file.is_file()]
    return str(path)


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
