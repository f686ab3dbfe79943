"""The machine: its configuration, the IR, what lowers the IR, and the RTL. Imports no torch."""
