"""The simulated machine: built once a geometry with Verilator, run through cocotb."""
