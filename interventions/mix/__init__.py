"""Training mixes: what is trained on, row by row."""
