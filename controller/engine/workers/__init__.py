"""Processes that carry out stages."""
