"""How many cycles the layers of an HLS project take: an estimate, from their kernels' loops.

A pipelined loop takes a cycle an iteration (its initiation interval is 1), and `FILL` cycles until
its first result is there; loops that only contain one another count as one. Layers of `io_parallel`
run one after another. A synthesis tool may need more stages, or a longer interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hw.config import ArrayConfig
from hw.hls.configuration import CLASSES, HLSConfig, hls_config
from hw.hls.lowering import LayerEntry, layer_entries
from hw.hls.parallel import Sizes, closest_width
from hw.integer import AVERAGE_RECIPROCAL_BITS, PROBABILITY_MULT_BITS, ROOT_BITS
from hw.ir import Network

FILL = 10
"""Stages of a pipelined loop."""
AVERAGE_DIVISION = AVERAGE_RECIPROCAL_BITS + 2
"""Cycles of a division, one a bit of the quotient: of an average's reciprocal."""
SOFTMAX_DIVISION = PROBABILITY_MULT_BITS + 1
NORM_DIVISION = 2 * ROOT_BITS + 1
"""The root, and the reciprocal."""


def _passes(sizes: Sizes, name: str, width: int) -> int:
    return -(-sizes[name] // width)


def _dense(sizes: Sizes, width: int, tokens: int) -> int:
    block = sizes["block_out"] * sizes["block_in"]
    empty = sizes["n_empty"] * sizes["block_out"]
    return tokens * (sizes["n_blocks"] * block // width + empty) + FILL * (1 + (empty > 0))


def _elementwise(sizes: Sizes, width: int, tokens: int) -> int:
    return tokens * _passes(sizes, "n_in", width) + FILL


def _join(sizes: Sizes, width: int, tokens: int) -> int:
    return tokens * -(-(sizes["n_in"] + sizes["n_common"]) // width) + FILL


def _scores(sizes: Sizes, width: int, tokens: int) -> int:
    shape = CLASSES["AttentionScores"].shape(sizes, width)
    features = _passes(sizes, "n_head", shape["rows"])
    load = tokens * features + FILL
    product = -(-tokens // shape["cols"]) * features + FILL
    return int(sizes["n_heads"] * (load + tokens * product))


def _values(sizes: Sizes, width: int, tokens: int) -> int:
    shape = CLASSES["AttentionValues"].shape(sizes, width)
    features = _passes(sizes, "n_head", shape["cols"])
    load = tokens * features + FILL
    product = features * -(-tokens // shape["rows"]) + FILL
    return int(sizes["n_heads"] * (load + tokens * product))


def _softmax(sizes: Sizes, width: int, tokens: int) -> int:
    """The largest, the powers and their sum, the shares."""
    group = 3 * (-(-min(sizes["n_group"], tokens) // width) + FILL) + SOFTMAX_DIVISION
    return int(tokens * sizes["n_groups"] * group)


def _layernorm(sizes: Sizes, width: int, tokens: int) -> int:
    """The sums, then the results."""
    return tokens * (2 * (_passes(sizes, "n_in", width) + FILL) + NORM_DIVISION)


def _embed(sizes: Sizes, width: int, tokens: int) -> int:
    return int(sizes["n_tokens"]) * _passes(sizes, "n_in", width) + 2 * FILL


def _select(sizes: Sizes, width: int, tokens: int) -> int:
    return _passes(sizes, "n_in", width) + FILL


def _mean(sizes: Sizes, width: int, tokens: int) -> int:
    averaged = tokens - sizes["start"] + FILL
    return int(_passes(sizes, "n_in", width) * averaged) + AVERAGE_DIVISION


def _token_select(sizes: Sizes, width: int, tokens: int) -> int:
    """The scores, the weights, and the tokens in as many passes as they have parts."""
    copies = _passes(sizes, "n_in", width) * (tokens + FILL)
    return 2 * (tokens + FILL) + AVERAGE_DIVISION + copies


_CYCLES: dict[str, Callable[[Sizes, int, int], int]] = {
    "BlockSparseLinear": _dense,
    "TableActivation": _elementwise,
    "JoinToken": _join,
    "AttentionScores": _scores,
    "AttentionValues": _values,
    "IntegerSoftmax": _softmax,
    "IntegerLayerNorm": _layernorm,
    "EmbedTokens": _embed,
    "SaturatingAdd": _elementwise,
    "SelectToken": _select,
    "MeanTokens": _mean,
    "TokenSelect": _token_select,
}


def _layer_cycles(entry: LayerEntry, settings: Mapping[str, Any], tokens: int) -> int:
    layer = CLASSES[entry["class_name"]]
    widths, reuse_factor = layer.widths(entry), settings["ReuseFactor"]
    width = closest_width(entry["name"], layer.work(entry), widths, reuse_factor)
    return _CYCLES[entry["class_name"]](entry, width, tokens)


def estimate_cycles(
    network: Network,
    array: ArrayConfig,
    tokens: Mapping[str, int] | None = None,
    overrides: HLSConfig | None = None,
) -> dict[str, int]:
    """Estimated cycles of every operation, by its name, in execution order.

    Args:
        network: a valid network.
        array: the machine whose parallelism is the default.
        tokens: live tokens of every tensor; the most that they can have, if not given.
        overrides: changes to the configuration: see `hls_config`.
    """
    groups = layer_entries(network)
    settings = hls_config([entry for group in groups.values() for entry in group], array, overrides)
    named = settings["LayerName"]
    live = tokens or {name: spec.tokens for name, spec in network.tensors.items()}
    return {
        op.name: sum(
            _layer_cycles(entry, named[entry["name"]], live[op.inputs[0]])
            for entry in groups[op.name]
        )
        for op in network.ops
    }
