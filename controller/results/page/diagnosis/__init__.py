"""What a diagnosis found, as a page shows it."""
