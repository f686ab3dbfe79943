"""Bench of `requantize`."""
