"""Log a loop to MLflow: what is logged is made from events, kept in the run folder, and sent when a server answers."""
