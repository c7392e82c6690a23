"""What describes and decides nothing."""
