"""Turn what a model answered into scores and failures."""
