"""One module for each kind of fix."""
