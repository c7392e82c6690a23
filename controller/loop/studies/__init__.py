"""Studies, which describe and decide nothing."""
