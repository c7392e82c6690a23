"""Models that tell causes, and what they were fitted on."""
