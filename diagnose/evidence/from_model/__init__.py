"""Tests that read what the model makes of rows and items."""
