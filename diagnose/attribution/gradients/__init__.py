"""Gradients of rows and queries: caught, projected, whitened, stored."""
