"""Names of arms in `loop.json` and in `verify.arms`."""

import re
from hashlib import sha256

CHALLENGER, CONTINUE, RANDOM, BEFORE = "challenger", "continue", "random", "before"
WITHOUT = "without-"
"""Prefix of an arm that is the challenger without one of its steps."""
WHOLE = "every_step"
"""Arm of the plan with all of its steps, where the challenger is without some."""
LOOP = "loop"
"""The challenger's name in `verify.arms`; it is in every run, named or not."""
AT_COMPUTE = "@compute"
"""Suffix of an arm that trained with the FLOPs of the fix, diagnosis included; others have its tokens."""


def file_name(arm: str) -> str:
    """Name of an arm as part of a path: that of a source may hold what a path may not."""
    plain = re.sub(r"[^\w.@-]", "_", arm)
    return plain if plain == arm else f"{plain}-{sha256(arm.encode()).hexdigest()[:6]}"
