"""Bench of `activation_memory`."""

WORDS = 256
"""Depth of the memory under test."""
