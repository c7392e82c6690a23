"""Stages: what a worker does in one folder.

Each stage is a function of its folder and of values that pickle; it writes large results as files and returns a small
dataclass that the store keeps as JSON.

What trains and asks models is imported by the function that does it: the loop names stages without running any, and
these imports take longer than all of its own.
"""
