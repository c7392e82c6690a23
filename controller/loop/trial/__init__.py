"""Try a plan: its arms are trained, measured and judged."""
