"""A result in words: numbers, names and sentences."""
