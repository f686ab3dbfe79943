"""Post-training quantization of a float Vision Transformer to the integer IR.

Weights are symmetric int8 per output channel, activations int8 with scales of least squared error
over the calibration images, the residual stream int16 with one scale for the whole network.

    observe   ranges and samples of the float model's activations
    smooth    channels rescaled and centered between layers, without changing the function
    scales    the scale of least error
    linear    integer parameters of linear layers and layer norms
    table     the activation function as 256 entries
    builder, embedding, lower   the network, operation by operation
"""

from __future__ import annotations

import torch
from torch import Tensor

from hw.ir import Network
from prune.models import LoadedModel
from prune.quantize.lower import lower
from prune.quantize.observe import observe


def normalize(loaded: LoadedModel, pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] (N, C, H, W) as the float model's input."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (loaded.mean, loaded.std))
    return (pixels - mean) / std


def quantize(
    loaded: LoadedModel,
    calibration: Tensor,
    block_shape: tuple[int, int] = (16, 16),
    calibration_source: str = "given images",
) -> Network:
    """The integer network of a float model; weights that are zero stay zero.

    Args:
        loaded: the model, pruned or not.
        calibration: pixels in [0, 1] (N, C, H, W).
        block_shape: (out, in) shape of a prunable weight block, for the IR.
        calibration_source: where the images come from, for `Network.info`.

    Raises:
        UserError: the model has no integer form.
    """
    seen = observe(loaded.compilable(), normalize(loaded, calibration))
    info = {
        "weights_source": loaded.weights_source,
        "random": loaded.random,
        "seed": loaded.seed,
        "calibration": f"{len(calibration)} images: {calibration_source}",
    }
    return lower(loaded, seen, block_shape, info)
