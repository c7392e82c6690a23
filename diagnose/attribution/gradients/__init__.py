"""Gradients of rows and queries: catch, project, whiten and store them."""
