"""The IR's operations as the list of layers that `ModelGraph.from_layer_list` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.hls.blocks import kept_blocks
from hw.hls.names import layer_name, live_name, output_name
from hw.ir import (
    Add,
    Attend,
    Embed,
    LayerNorm,
    Linear,
    MeanTokens,
    Network,
    Op,
    Scores,
    SelectToken,
    Softmax,
    TokenSelect,
)

LayerEntry = dict[str, Any]
"""A layer of hls4ml's list: class_name, name, inputs, outputs, and attributes."""


@dataclass(frozen=True)
class _Lowering:
    """What the functions below take of a network."""

    network: Network
    selected: dict[str, str]
    """The selection behind which a tensor is, as `Network.selected_by` says."""

    def entry(self, op: Op, class_name: str, sizes: LayerEntry, suffix: str = "") -> LayerEntry:
        """A layer that reads and writes what `op` does, and the number of live tokens."""
        target = self.network.tensors[op.output]
        inputs = [output_name(name) for name in op.inputs]
        return {
            "class_name": class_name,
            "name": layer_name(op.name) + suffix,
            "inputs": inputs + self.live(op),
            "outputs": [output_name(op.output)],
            "results": [("result", [target.tokens, target.features])],
            "result_precision": f"ap_int<{target.bits}>",
            "tensors": len(inputs),
            **sizes,
        }

    def live(self, op: Op) -> list[str]:
        """The tensor with the number of tokens that `op` reads, if a selection decides on it."""
        several = (name for name in op.inputs if self.network.tensors[name].tokens > 1)
        source = next((self.selected[name] for name in several if self.selected[name]), "")
        return [live_name(source)] if source else []

    def tokens(self, op: Op) -> dict[str, int]:
        """Tokens and features of the first input."""
        source = self.network.tensors[op.inputs[0]]
        return {"n_tokens": source.tokens, "n_in": source.features}

    def array(self, op: Op, suffix: str) -> Any:
        return self.network.param(op, suffix)


def _padded(array: Any) -> Any:
    """C++ has no arrays without entries."""
    return array if array.size else np.zeros((1, *array.shape[1:]), array.dtype)


def _linear(lower: _Lowering, op: Linear) -> list[LayerEntry]:
    layers: list[LayerEntry] = []
    sizes = lower.tokens(op)
    if len(op.inputs) == 2:
        common = lower.network.tensors[op.inputs[1]].features
        joined = lower.entry(op, "JoinToken", {**sizes, "n_common": common}, "_joined")
        sizes["n_in"] += common
        joined["outputs"] = [f"{layer_name(op.name)}_joined"]
        joined["results"] = [("result", [sizes["n_tokens"], sizes["n_in"]])]
        joined["result_precision"] = f"ap_int<{lower.network.tensors[op.inputs[0]].bits}>"
        layers.append(joined)
    blocks = kept_blocks(lower.array(op, "weight"), op.block_shape)
    sizes |= {
        "n_out": lower.network.tensors[op.output].features,
        "block_out": op.block_shape[0],
        "block_in": op.block_shape[1],
        "n_blocks": len(blocks.rows),
        "n_empty": len(blocks.empty),
    }
    positions = ("payload", "rows", "columns", "ends", "empty")
    arrays = {name: getattr(blocks, name) for name in positions}
    arrays |= {name: lower.array(op, name) for name in ("bias", "mult", "shift")}
    data = {f"{name}_data": _padded(array) for name, array in arrays.items()}
    dense = lower.entry(op, "BlockSparseLinear", {**sizes, **data})
    if layers:
        dense["inputs"] = [*layers[-1]["outputs"], *lower.live(op)]
        dense["tensors"] = 1
    layers.append(dense)
    if op.gelu:
        table = {
            "n_tokens": sizes["n_tokens"],
            "n_in": sizes["n_out"],
            "table_data": lower.array(op, "table"),
        }
        activation = lower.entry(op, "TableActivation", table, "_table")
        dense["outputs"] = [f"{layer_name(op.name)}_sums"]
        dense["result_precision"] = "ap_int<8>"
        activation["inputs"] = [*dense["outputs"], *lower.live(op)]
        activation["tensors"] = 1
        layers.append(activation)
    return layers


def _head_product(class_name: str) -> Callable[[_Lowering, Any], list[LayerEntry]]:
    def lower_product(lower: _Lowering, op: Scores | Attend) -> list[LayerEntry]:
        qkv = lower.network.tensors[op.inputs[-1]]
        sizes = {
            "n_tokens": qkv.tokens,
            "n_heads": op.heads,
            "n_head": qkv.features // (3 * op.heads),
            "mult_data": np.array(op.mult),
            "shift_data": np.array(op.shift),
        }
        return [lower.entry(op, class_name, sizes)]

    return lower_product


def _softmax(lower: _Lowering, op: Softmax) -> list[LayerEntry]:
    target = lower.network.tensors[op.output]
    sizes = {
        "n_tokens": target.tokens,
        "n_groups": target.groups,
        "n_group": target.group_features,
        "probability_mult": op.probability_mult,
    }
    return [lower.entry(op, "IntegerSoftmax", sizes)]


def _layernorm(lower: _Lowering, op: LayerNorm) -> list[LayerEntry]:
    sizes = {**lower.tokens(op), "shift": op.shift, "epsilon": op.epsilon}
    arrays = {f"{name}_data": lower.array(op, name) for name in ("gain", "offset")}
    return [lower.entry(op, "IntegerLayerNorm", {**sizes, **arrays})]


def _embed(lower: _Lowering, op: Embed) -> list[LayerEntry]:
    target, prefix = lower.network.tensors[op.output], lower.array(op, "prefix")
    sizes = {
        "n_tokens": target.tokens,
        "n_prefix": len(prefix),
        "n_in": target.features,
        "prefix_data": _padded(prefix),
        "position_data": lower.array(op, "position"),
    }
    return [lower.entry(op, "EmbedTokens", sizes)]


def _add(lower: _Lowering, op: Add) -> list[LayerEntry]:
    return [lower.entry(op, "SaturatingAdd", lower.tokens(op))]


def _select(lower: _Lowering, op: SelectToken) -> list[LayerEntry]:
    layer = lower.entry(op, "SelectToken", {**lower.tokens(op), "token": op.index})
    return [{**layer, "inputs": layer["inputs"][:1]}]  # the token is there, live or not


def _mean(lower: _Lowering, op: MeanTokens) -> list[LayerEntry]:
    return [lower.entry(op, "MeanTokens", {**lower.tokens(op), "start": op.start})]


def _token_select(lower: _Lowering, op: TokenSelect) -> list[LayerEntry]:
    heads = lower.network.tensors[op.inputs[1]].features
    sizes = {"n_heads": heads, "threshold": op.threshold, "prefix": op.prefix}
    layer = lower.entry(op, "TokenSelect", {**lower.tokens(op), **sizes})
    layer["outputs"].append(live_name(op.name))
    layer["results"].append(("live", [2]))
    return [layer]


_LOWERINGS: dict[type[Op], Callable[[_Lowering, Any], list[LayerEntry]]] = {
    Linear: _linear,
    Scores: _head_product("AttentionScores"),
    Attend: _head_product("AttentionValues"),
    Softmax: _softmax,
    LayerNorm: _layernorm,
    Embed: _embed,
    Add: _add,
    SelectToken: _select,
    MeanTokens: _mean,
    TokenSelect: _token_select,
}


def layer_entries(network: Network) -> dict[str, list[LayerEntry]]:
    """The layers of every operation, by its name, in execution order."""
    lower = _Lowering(network, network.selected_by())
    return {op.name: _LOWERINGS[type(op)](lower, op) for op in network.ops}
