"""What every point of a sweep is made from: the dense model, the images, and how to measure."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hw.ir import Network
from prune.accuracy import TestSet, measure
from prune.blocks import BlockShape, prunable_layers
from prune.data import calibration_source
from prune.methods import BlockMethod
from prune.models import LoadedModel, load_model
from prune.prepared import Prepared, rank
from prune.quantize import quantize
from prune.sweep.evaluate import Engine
from prune.sweep.images import (
    TestImages,
    check_disjoint,
    check_draws,
    check_folders,
    digest,
    draw_calibration,
    read_test_images,
)
from prune.sweep.plan import Plan

_SHAPE_IMAGES = 2


@dataclass(frozen=True)
class Bench:
    """A model that is pruned again and again from its dense weights, and measured."""

    plan: Plan
    engine: Engine
    loaded: LoadedModel
    state: dict[str, Tensor]
    """The dense weights."""
    test: TestImages
    draws: list[Tensor]
    """Calibration images of each draw, pixels in [0, 1]."""
    networks: dict[BlockShape, Network]
    """The dense integer networks, which only count cycles."""

    @staticmethod
    def set_up(plan: Plan, engine: Engine) -> Bench:
        """Load the model and decode the images.

        Raises:
            UserError: on any input that cannot be used, test images among the calibration images
                included.
        """
        check_folders(plan.data, plan.test)
        loaded = load_model(plan.model, plan.checkpoint, plan.seed)
        draws = [
            draw_calibration(loaded, plan.data, plan.images, plan.seed, draw)
            for draw in range(plan.draws)
        ]
        check_draws(draws)
        few = draws[0][:_SHAPE_IMAGES]
        networks = {block: quantize(loaded, few, block) for block in plan.blocks}
        test = read_test_images(loaded, plan.test, plan.limit, plan.seed)
        for pixels in draws:
            check_disjoint(pixels, test)
        state = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
        return Bench(plan, engine, loaded, state, test, draws, networks)

    def settings(self) -> dict[str, Any]:
        """What all points of a log have in common."""
        plan, loaded, test = self.plan, self.loaded, self.test
        weights = hashlib.sha256()
        for name, tensor in sorted(self.state.items()):
            weights.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return {
            "model": plan.model,
            "weights_source": loaded.weights_source,
            "weights": weights.hexdigest()[:16],
            "calibration_source": calibration_source(loaded, plan.data),
            "images": len(self.draws[0]),
            "test_source": test.source,
            "test_images": len(test.labels),
            "test_digest": digest(test.pixels),
            "seed": plan.seed,
            **asdict(self.engine),
            "config": asdict(plan.config),
        }

    def disjoint(self) -> dict[str, Any]:
        """What `set_up` found: it refuses anything else."""
        calibration = f"{len(self.draws)} x {len(self.draws[0])} calibration images"
        return {
            "shared_files": 0,
            "equal_images": 0,
            "compared": f"{calibration} with {len(self.test.labels)} test images",
        }

    def restore(self) -> None:
        """Make the model dense again."""
        self.loaded.model.load_state_dict(self.state)

    def rank(self, block: BlockShape, method: BlockMethod, draw: int) -> Prepared:
        """Rank the dense model's blocks by the images of a draw; the model is left dense."""
        self.restore()
        layers = prunable_layers(self.loaded.model, block)
        config, dense = self.plan.config, self.networks[block]
        return rank(self.loaded, self.draws[draw], dense, method, config, layers)

    def top1(self) -> float:
        """Of the float model as it is."""
        return self.engine.top1(self.loaded, self.test)

    def int8_top1(self, draw: int, block: BlockShape) -> float | None:
        """Of the model as it is, quantized; None when the plan does not ask for it."""
        if not self.plan.int8:
            return None
        test = self.test

        def read(chosen: NDArray[np.int64]) -> Tensor:
            return test.pixels[torch.from_numpy(chosen)].float() / 255

        self.loaded.model.to("cpu")
        network = quantize(self.loaded, self.draws[draw], block)
        return measure(None, network, TestSet(test.source, test.labels, read)).int8_top1
