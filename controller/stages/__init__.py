"""Stages: what a worker does in one folder.

Each stage is a function of its folder and of values that pickle; it writes large results as files and returns a small
dataclass that the store keeps as JSON.
"""
