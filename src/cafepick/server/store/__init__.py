"""The record: what was photographed, taught, checked and corrected; SQLite or PostgreSQL."""
