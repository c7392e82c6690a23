"""The service's own database: an index of loops and their queue, on SQLite or PostgreSQL. No result is kept here."""
