"""Bench of both AXI4 masters against cocotbext-axi's memory, and of the simulated DRAM."""

MEMORY_BYTES = 1 << 16
