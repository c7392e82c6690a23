"""Measure models: run lm-eval's tasks, keep every item's result, and assign items to fixed splits."""
