"""Name the way in which an answer is wrong."""
