"""Share of alpha that each judgement on the same items may spend."""

import math


def alpha_at(look: int, alpha: float = 0.025) -> float:
    """Level of judgement number `look` on the same items; all looks together spend `alpha`.

    The shares 6 / (pi k)^2 sum to 1, so the number of looks need not be known beforehand.
    """
    return alpha * 6 / (math.pi * look) ** 2
