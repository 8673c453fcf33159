"""From crops to scores, p-values and metrics."""
