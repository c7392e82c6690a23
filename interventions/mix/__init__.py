"""What is trained on, row by row."""
