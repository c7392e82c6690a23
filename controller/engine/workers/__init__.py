"""Worker processes that carry out stages."""
