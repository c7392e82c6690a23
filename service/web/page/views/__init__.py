"""Pages, each with what it shows."""
