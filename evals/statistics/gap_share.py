"""Share of the gap between doing nothing and the best repair that a fix closes, with Fieller's interval.

share = (fix - nothing) / (oracle - nothing), each the mean score of several training seeds on the same items. Both
differences contain `nothing`, so they are correlated, and a ratio of means has no variance to speak of where the
gap may be zero: Fieller 1954 inverts the test of `fix - nothing = share * (oracle - nothing)` instead. The interval is
over training seeds, on these items.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from evals.statistics.difference import satterthwaite

SMALLEST_GAP = 0.1
"""Smallest gap whose share is computed; below it a share means nothing."""


@dataclass(frozen=True, slots=True)
class GapShare:
    share: float
    low: float
    high: float
    """Upper end of the two-sided 95 % interval; both ends are infinite where the gap may be zero."""


def gap_share(fix: Sequence[float], nothing: Sequence[float], oracle: Sequence[float]) -> GapShare | None:
    """Share of the gap that the fix closes.

    Args:
        fix: Scores of the fix, one for each training seed, at least two; the other arms likewise.
        nothing: Scores of the control that continues on the old data.
        oracle: Scores of the recipe on the repaired corpus.

    Returns:
        None where the gap is below `SMALLEST_GAP`.
    """
    arms = [np.asarray(scores, dtype=np.float64) for scores in (fix, nothing, oracle)]
    if any(len(arm) < 2 for arm in arms):
        raise ValueError(f"a gap share needs two seeds of every arm, got {[len(arm) for arm in arms]}")
    top, gap = float(arms[0].mean() - arms[1].mean()), float(arms[2].mean() - arms[1].mean())
    if gap < SMALLEST_GAP:
        return None
    v_fix, v_nothing, v_oracle = (float(arm.var(ddof=1)) / len(arm) for arm in arms)
    share = top / gap
    # fix - (1 - share) nothing - share oracle: arms differ in their variance (a short update, a whole training).
    parts = np.array([v_fix, (1 - share) ** 2 * v_nothing, share**2 * v_oracle])
    df = float(satterthwaite(parts.sum(), list(parts), [len(arm) - 1 for arm in arms]))
    t = float(stats.t.ppf(0.975, df))
    # Roots of (top - share * gap)^2 = t^2 * var(top - share * gap), a quadratic in the share.
    a = gap**2 - t**2 * (v_oracle + v_nothing)
    b = top * gap - t**2 * v_nothing
    c = top**2 - t**2 * (v_fix + v_nothing)
    if a <= 0:
        return GapShare(share, -math.inf, math.inf)
    half = math.sqrt(max(b * b - a * c, 0.0)) / a
    return GapShare(share, b / a - half, b / a + half)
