"""What is checked, counted and said before a training begins."""
