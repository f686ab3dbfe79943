"""Running the machine: integer reference, cycle model, cocotb benches, per-layer reports."""
