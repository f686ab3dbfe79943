"""Bench of `activation_memory` and `feature_memory`."""

WORDS = 256
"""Depth of the memories under test."""
