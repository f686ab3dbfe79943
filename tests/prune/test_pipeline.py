"""One pruning run from a model's name to the artifacts."""

from __future__ import annotations

import pytest

from hw.config import ArrayConfig
from prune.pipeline import run
from prune.settings import Settings, Source
from sim.cycles import network_cycles

CONFIG = ArrayConfig(rows=8, cols=8)


@pytest.mark.parametrize("budget", [0.35, 0.6])
def test_quantized_network_meets_the_budget_although_quantizing_empties_tiles(
    budget: float,
) -> None:
    source = Source("demo", images=8)
    pruned = run(Settings(source, {"cycles": budget}, "magnitude", (8, 8), CONFIG))
    target = pruned.report["target_cycles"]
    assert pruned.network is not None
    assert network_cycles(pruned.network, CONFIG).total == pytest.approx(target, rel=0.01)
