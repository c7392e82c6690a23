"""Attribute failed items to training rows by gradients, in one pass over the rows for each checkpoint."""
