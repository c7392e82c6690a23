"""Fixes, one module for each kind."""
