"""Which golds of an evaluation are wrong, by the recorded answers of several models to the same items."""
