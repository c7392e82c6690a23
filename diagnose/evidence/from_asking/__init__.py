"""Tests that ask the model again under other prompts."""
