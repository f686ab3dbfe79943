"""Synthesis of the RTL for FPGAs: what every module costs, and how fast a small core can run."""
