"""The array's bench with a model that is wrong in one place: the bench must say where."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from sim.benches.array.bench import Model, random_blocks, stream_blocks
from sim.benches.array.plan import Block, make_plan
from sim.benches.common.settings import Settings


class OffByOne(Model):
    """One too much in block 2, its first token, column 3."""

    def sums(self, block: Block) -> NDArray[np.int64]:
        sums = super().sums(block)
        if block is self.plan.blocks[2]:
            sums[0, 3] += 1
        return sums


@cocotb.test()
async def wrong_model(dut: Any) -> None:
    """Must fail."""
    settings = Settings.from_env()
    rng = settings.generator()
    plan = make_plan(random_blocks(settings, rng, longest=4), rng, gap_chance=0.0)
    await stream_blocks(dut, plan, settings, OffByOne)
