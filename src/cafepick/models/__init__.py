"""The networks; they take plain numbers, never a config."""
