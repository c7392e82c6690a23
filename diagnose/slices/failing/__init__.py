"""Find slices of items that fail."""
