"""Bench of the whole core on cocotbext-axi's memory and on the simulated DRAM."""

MEMORY_BYTES = 1 << 20
