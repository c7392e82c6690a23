"""Tests that use rows and their attribution alone."""
