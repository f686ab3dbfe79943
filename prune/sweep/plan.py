"""What a sweep covers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hw.config import ArrayConfig
from hw.errors import UserError
from prune.allocation.budget import check_fraction
from prune.blocks import BlockShape, check_block
from prune.methods import BlockMethod, method_named
from prune.models.names import DEMO

DEFAULT_SHARES = (0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
DEFAULT_BLOCKS: tuple[BlockShape, ...] = ((16, 16), (32, 32))


@dataclass(frozen=True)
class Plan:
    """A sweep: what each point shares, and what its points differ in.

    Raises:
        UserError: on anything that cannot be used.
    """

    model: str
    methods: tuple[str, ...]
    checkpoint: Path | None = None
    data: Path | None = None
    """Folder of calibration images; None: the demo's bundled ones."""
    test: Path | None = None
    """Folder of test images, one subfolder a class; None: the demo's bundled ones."""
    shares: tuple[float, ...] = DEFAULT_SHARES
    """Of the dense cycles."""
    blocks: tuple[BlockShape, ...] = DEFAULT_BLOCKS
    draws: int = 1
    """Sets of calibration images, each a choice of its own."""
    limit: int | None = None
    """Test images, a seeded choice; None: all."""
    images: int = 256
    """Calibration images."""
    seed: int = 0
    int8: bool = False
    """Whether the integer network of every point is measured, too."""
    config: ArrayConfig = field(default_factory=ArrayConfig)

    def __post_init__(self) -> None:
        for name, values in (
            ("methods", self.methods), ("cycles", self.shares), ("blocks", self.blocks)
        ):  # fmt: skip
            if not values:
                raise UserError(f"{name}: nothing to sweep; name at least one")
            if len(set(values)) < len(values):
                raise UserError(f"{name}: one stands there twice; name each once")
        for share in self.shares:
            check_fraction(share)
        for block in self.blocks:
            check_block(block, self.config)
            for method in self.methods:
                method_named(method, block)
        for option, count in (("draws", self.draws), ("limit", self.limit)):
            if count is not None and count < 1:
                raise UserError(f"{option}={count}: expected at least 1")
        if self.model != DEMO and (self.data is None or self.test is None):
            raise UserError(
                f"model {self.model!r}: expected --data and --test, folders of its images; "
                "only the demo's are bundled"
            )

    def draws_of(self, method: BlockMethod) -> range:
        """The draws that a method takes part in: one when it looks at no images."""
        return range(self.draws if method.needs_images else 1)
