"""Tests of what is wrong: each looks at one failing slice and says what it found, what it cost, and a sentence.

Cheap ones first (`diagnose.evidence.examine`): counts, copies and batches need no model; readings need one forward
pass over a few hundred rows; only where those leave it open is the model asked again under other prompts. What the
evidence means is not decided here (`diagnose.finding.causes`).
"""
