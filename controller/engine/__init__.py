"""Do each piece of work once, in processes."""
