"""Corpora, mixes and reports on disk."""
