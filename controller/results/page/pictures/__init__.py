"""Pictures of the report as geometry."""
