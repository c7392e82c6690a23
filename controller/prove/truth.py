"""Look up the true causes of a scenario in a world.

Causes that hold by construction are written in the scenario's file. Others are found by retraining
(`scripts/verify_scenarios.py`), once for each scenario and world, and stands in `verified.json`: the causes whose own
minimal repair closes at least half of the gap to the oracle.
"""

import json
from pathlib import Path

from controller.prove.scenario import Scenario

VERIFIED = Path(__file__).parent / "verified.json"


def true_causes(scenario: Scenario, world: str) -> tuple[str, ...]:
    """True causes, in the order of `Cause`."""
    verified = json.loads(VERIFIED.read_text()) if VERIFIED.is_file() else {}
    found = verified.get(world, {}).get(scenario.name)
    return tuple(found["causes"]) if found is not None else tuple(scenario.causes)
