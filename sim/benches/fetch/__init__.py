"""Bench of `weight_fetch`."""
