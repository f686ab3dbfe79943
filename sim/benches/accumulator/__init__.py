"""Bench of `accumulator`."""
