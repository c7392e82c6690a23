"""The loop: one run, round by round."""
