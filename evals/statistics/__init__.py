"""Conclusions from scores: comparisons, intervals, harm and power."""
