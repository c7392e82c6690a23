"""Report of a run: one self-contained page that people read, print and send."""
