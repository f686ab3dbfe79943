"""Bench of `divider` and `square_root`."""
