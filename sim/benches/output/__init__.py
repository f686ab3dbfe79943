"""Bench of `output_stage`."""
