"""The published schema is the types', and a written result keeps to it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from builders.checkout import ROOT, script
from builders.loop_results import idle_round, loop_result, rejected_round

from controller.results.loop_json import LoopResult, read_loop, write_loop
from controller.results.verdict_json import Decision


def schema() -> Any:
    return json.loads((ROOT / "docs" / "loop.schema.json").read_text(encoding="utf-8"))


def test_the_published_schema_is_the_one_the_types_give() -> None:
    published = (ROOT / "docs" / "loop.schema.json").read_text(encoding="utf-8")
    assert published == script("make_schema").schema_text(), "run python scripts/make_schema.py"


@pytest.mark.parametrize(
    "result",
    [
        loop_result(),
        loop_result(rejected_round()),
        loop_result(idle_round(0, Decision.NOTHING_TO_DO, "nothing stands out", ())),
    ],
    ids=["accepted", "rejected", "idle"],
)
def test_a_written_result_validates_and_reads_back_equal(result: LoopResult, tmp_path: Path) -> None:
    write_loop(result, tmp_path)
    written = json.loads((tmp_path / "loop.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(written, schema(), cls=jsonschema.Draft202012Validator)
    assert read_loop(tmp_path) == result


def test_a_number_that_is_missing_does_not_validate(tmp_path: Path) -> None:
    write_loop(loop_result(), tmp_path)
    written = json.loads((tmp_path / "loop.json").read_text(encoding="utf-8"))
    written["rounds"][0]["verdict"]["gain"]["mean"] = None
    with pytest.raises(jsonschema.ValidationError, match="None is not of type 'number'"):
        jsonschema.validate(written, schema(), cls=jsonschema.Draft202012Validator)
