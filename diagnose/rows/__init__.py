"""Training rows, as text and as tokens."""
