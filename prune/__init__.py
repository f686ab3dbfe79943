"""Everything that decides what to remove from a Vision Transformer, and its quantization."""
