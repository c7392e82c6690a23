"""Measure rows with the model itself."""
