"""Journal of what was done, once: the stage store and the lock of a run directory, and what a person was asked."""
