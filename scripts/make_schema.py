"""Write `docs/loop.schema.json` from the types of `controller.results.loop_json`: python scripts/make_schema.py"""

import json
from pathlib import Path

from pydantic import TypeAdapter

from controller.results.loop_json import LoopResult

SCHEMA = Path(__file__).parents[1] / "docs" / "loop.schema.json"


def schema_text() -> str:
    """The schema as it stands in the file."""
    schema = TypeAdapter(LoopResult).json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=1) + "\n"


if __name__ == "__main__":
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    print(f"wrote {SCHEMA}")
