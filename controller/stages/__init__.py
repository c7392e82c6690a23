"""What a worker does in one folder."""
