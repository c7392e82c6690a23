"""Decide which rows may enter a training mix."""
