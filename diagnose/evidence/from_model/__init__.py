"""Tests that use the model's likelihoods of rows and items."""
