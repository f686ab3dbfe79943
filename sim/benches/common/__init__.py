"""What the benches share: clock, settings, packed lanes and the one-line mismatch."""
