"""Bench of both AXI4 masters against cocotbext-axi's memory, and of the simulated DRAM."""

MEMORY_BYTES = 1 << 17
TIMEOUT = 256
"""Cycles after which a memory counts as silent, in the bench."""
