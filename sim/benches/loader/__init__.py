"""Bench of `loader`."""
