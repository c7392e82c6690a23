"""Tests of what is wrong with one failing slice: each gives values, a sentence for people, and its cost.

Cheap ones come first (`diagnose.evidence.examine`): counts, copies and labels need no model; batches, learning and
golds need forward passes over a few hundred rows; only where those leave the cause open is the model asked again under
other prompts. What the evidence means is decided in `diagnose.finding.causes`.
"""
