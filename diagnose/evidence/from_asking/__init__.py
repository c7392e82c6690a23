"""Tests that ask the model again under other prompts, or score its answers again in another form."""
