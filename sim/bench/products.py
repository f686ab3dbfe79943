"""The dense matrix products of one encoder block, as a network that both simulators can run."""

from __future__ import annotations

from dataclasses import dataclass

from sim.benches.random_network import Shape


@dataclass(frozen=True)
class Product:
    """`(tokens, depth) @ (depth, features)`."""

    name: str
    tokens: int
    features: int
    depth: int

    @property
    def macs(self) -> int:
        return self.tokens * self.features * self.depth


ENCODER_BLOCKS = {
    "deit_t": Shape(197, 768, 3, 64, 768, 1000, density=1.0),
    "deit_s": Shape(197, 768, 6, 64, 1536, 1000, density=1.0),
    "demo": Shape(50, 16, 3, 32, 384, 10, density=1.0),
}
"""Patch embedding, one dense encoder block and head of a model."""


def products(shape: Shape) -> list[Product]:
    """Every matrix product of such a network, each head's on its own."""
    t, width, head = shape.tokens, shape.width, shape.head_features
    heads = [
        Product(f"{name}{h}", t, features, depth)
        for h in range(shape.heads)
        for name, features, depth in (("scores", t, head), ("attend", head, t))
    ]
    return [
        Product("embed", t, width, shape.patch_features),
        Product("qkv", t, 3 * width, width),
        *heads,
        Product("proj", t, width, width),
        Product("fc1", t, shape.hidden, width),
        Product("fc2", t, width, shape.hidden),
        Product("head", 1, shape.classes, width),
    ]
