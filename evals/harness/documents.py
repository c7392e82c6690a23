"""A task's documents as JSON values, and the ids made from them.

The id of an item is the hash of its document and the number of its occurrence in the task, so it survives
another order, another number of shots and another prompt; equal documents stay apart.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def json_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a document to JSON values; bytes, images and the like become text that names their content."""
    return {str(key): _json_value(value) for key, value in document.items()}


def digest(document: Mapping[str, Any]) -> str:
    """Hash of a JSON document, 16 hexadecimal digits; the order of its keys does not matter."""
    canonical = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:16]


def occurrence_ids(digests: Iterable[str]) -> list[str]:
    """Item ids `<digest>-<number of its occurrence, from 0>`, one for each digest."""
    seen: Counter[str] = Counter()
    ids = []
    for value in digests:
        ids.append(f"{value}-{seen[value]}")
        seen[value] += 1
    return ids


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return json_document(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_json_value(member) for member in value]
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return _json_value(value.tolist())
    content = value.tobytes() if hasattr(value, "tobytes") else value  # images
    if isinstance(content, (bytes, bytearray)):
        return f"<{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]}>"
    return str(value)
