"""Benchmarks: figures that depend on the machine they run on, compared as ratios in one run."""
