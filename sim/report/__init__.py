"""Per-layer reports: rows from a measurement, and views of them."""
