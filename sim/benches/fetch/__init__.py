"""Bench of `stream_fetch`."""

TIMEOUT = 64
"""Cycles after which a memory counts as silent, in the bench."""
