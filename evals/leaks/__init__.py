"""Find texts that repeat an evaluation item."""
