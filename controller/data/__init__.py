"""Corpora and mixes on disk."""
