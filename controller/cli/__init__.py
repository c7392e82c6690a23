"""Command line: what a user types."""
