"""Tests that read rows alone."""
