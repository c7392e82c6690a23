"""Results that a run leaves."""
