"""Each piece of work once, in processes."""
