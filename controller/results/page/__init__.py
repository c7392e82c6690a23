"""The report: a run as one self-contained page that people read, print and send."""
