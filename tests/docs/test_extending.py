"""What docs/extending.md says can be added is added, in a real small loop, from outside of the packages."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from builders.toy import write_toy

from controller.results.loop_json import read_loop
from interventions.controls import CONTROLS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"


@pytest.fixture
def extensions(tmp_path: Path) -> Path:
    """The page's blocks as one module."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "extensions.py").write_text("\n".join(blocks), encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_fix_a_maker_a_test_a_study_and_a_listener_of_a_user_s_own_run_in_a_loop(extensions: Path) -> None:
    words = [*write_toy(extensions), "budget.rounds=1", "diagnose.max_findings=1"]
    call = f"play({words!r}, Path('board.txt'))"
    lines = ["from pathlib import Path", "from extensions import play", "if __name__ == '__main__':", f"    {call}"]
    (extensions / "own_loop.py").write_text("\n".join(lines))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "own_loop.py"], cwd=extensions, env=environment, check=True, timeout=600)
    (played,) = read_loop(extensions / "run").rounds
    assert {action.kind for action in played.plan.actions} == {"practise"}
    assert 0 < sum(action.num_added for action in played.plan.actions) <= 40
    assert "length_ratio" in played.diagnosis.findings[0].evidence
    assert set(played.studies["spread"]) == set(played.verdict.arms)
    assert (extensions / "board.txt").read_text() == f"round 0: {played.verdict.decision}\n"


def test_the_maker_s_wrong_rows_are_held_back_by_its_verifier(
    extensions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(extensions)
    module = __import__("extensions")
    row = module.EchoMaker("jump", Random(0)).write()
    assert module.EchoChecker().accepts(row)
    assert not module.EchoChecker().accepts(type(row)(row.prompt, "walk_a"))


def test_the_control_and_the_world_of_the_page_keep_their_contracts(
    extensions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(extensions)
    module = __import__("extensions")
    assert {name for name in dir(module.First()) if not name.startswith("_")} == {
        name for name in dir(CONTROLS["continue"]) if not name.startswith("_")
    }
    world, rng = module.ENDS, Random(0)
    for skill in world.skills:
        for _ in range(50):
            made = skill.make(rng)
            assert skill.accepts(made.prompt, made.completion)
            asked = world.reworded(made.prompt)
            found = [re.match(pattern, text) for pattern, text in zip(world.same[0], (made.prompt, asked), strict=True)]
            assert found[0] is not None
            assert found[1] is not None
            assert found[0].groupdict() == found[1].groupdict()
            assert re.match(world.asking.undress, world.asking.dressed(made.completion)).group(1) == made.completion
    assert json.dumps(world.fields)
    assert np.isfinite(world.skills[0].train)
