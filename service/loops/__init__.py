"""A loop as the service knows it: the recipe that it is asked for by, its command line, what its run directory says."""
