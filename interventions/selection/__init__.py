"""Choose among many rows."""
