"""Split items into those that diagnosis may read, those that the gate judges on, and those for the headline only.

The shares are 40/30/30 by a hash of the item's content, near copies kept together. The hash does not depend on a seed:
with a seeded split, a sweep over seeds would let diagnosis read in one run what another run judges on.
"""

import hashlib
from enum import StrEnum


class Split(StrEnum):
    PROBE = "probe"
    SELECT = "select"
    SEALED = "sealed"


def split_of(split_key: str) -> Split:
    """Split of the items with this key: probe 40 %, select 30 %, sealed 30 %."""
    digest = hashlib.sha256(f"evalmend-split:{split_key}".encode()).digest()
    share = int.from_bytes(digest[:8]) / 2**64
    if share < 0.4:
        return Split.PROBE
    return Split.SELECT if share < 0.7 else Split.SEALED
