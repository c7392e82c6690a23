"""How often somebody may ask."""

import time
from collections import Counter
from collections.abc import Callable


class Rates:
    """A count for each name in each minute; what it keeps is forgotten with the minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock = per_minute, clock
        self._minute, self._counts = 0, Counter[str]()

    def wait_s(self, name: str) -> int:
        """Count one more; seconds to wait where it is one too many, else 0."""
        now = self._clock()
        if (minute := int(now // 60)) != self._minute:
            self._minute, self._counts = minute, Counter()
        self._counts[name] += 1
        return 0 if self._counts[name] <= self._per_minute else 60 - int(now % 60)
