"""Predicates over items and rows."""
