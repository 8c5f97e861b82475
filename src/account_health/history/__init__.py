"""History: what was assessed when, what people said about it, and what changed. Append-only, SQLite or PostgreSQL."""
