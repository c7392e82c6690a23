"""Slices: predicates over items and rows."""
