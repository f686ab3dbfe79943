"""Bench of `axi_store`."""

TIMEOUT = 64
"""Cycles after which a memory counts as silent, in the bench."""
