"""Train on something else for a moment and read what it changed; only numbers are kept."""
