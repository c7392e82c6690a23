"""Which training rows act on the failed items, by their gradients: one pass over the rows for each checkpoint."""
