"""Find training rows behind the failures."""
