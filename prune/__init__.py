"""Everything that decides what to remove from a Vision Transformer, and its quantization."""

from prune.plain import apply, load_pruned

__all__ = ["apply", "load_pruned"]
