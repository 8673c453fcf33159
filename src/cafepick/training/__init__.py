"""Training loops that yield step records; the caller logs, draws and saves."""
