"""Bench of `token_factor`."""
