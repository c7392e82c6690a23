"""What diagnosis hands on."""
