"""Bench of `systolic_array`."""
