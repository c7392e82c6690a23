"""Nights of `evalmend nightly`: which came before, what has changed since, item by item, and what is told of it."""
