"""Testbenches of the units on their own: cocotb tests, each with a driver, monitor and model."""
