"""What is remembered: SQLite rows in, values out."""
