"""Verdicts: whether a fix kept what was promised of it."""
