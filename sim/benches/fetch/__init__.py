"""Bench of `stream_fetch`."""
