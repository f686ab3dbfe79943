"""From a float Vision Transformer and its activation statistics to the integer IR."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from timm.layers import Attention
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from hw.integer import EXP2_FRACTION_BITS
from hw.ir import Attend, Embed, ImageSpec, Network, Scores, Softmax, TensorSpec
from prune.models import LoadedModel
from prune.quantize.builder import Builder, multipliers
from prune.quantize.embedding import embedding_tokens, image_spec
from prune.quantize.linear import RealLinear, activation_table, apply_activation
from prune.quantize.observe import Observations
from prune.quantize.scales import (
    Floats,
    best_scale,
    int8_scale,
    int16_scale,
    round_half_up,
    to_int8,
)

SCORE_SCALE = math.log(2.0) / (1 << EXP2_FRACTION_BITS)
"""Real value of one unit of a score."""
_STREAM_SITES = (".norm1.in", ".norm2.in", ".ls1", ".ls2")
"""What shares the residual stream's scale in a block; a missing layer scale passes its input on."""


@dataclass(kw_only=True)
class Lowering(Builder):
    """Builds a Vision Transformer's network from input to output."""

    model: VisionTransformer
    stream_scale: float

    def stream(self, tokens: int) -> TensorSpec:
        """The residual stream."""
        return TensorSpec(tokens, self.model.embed_dim, 16, (self.stream_scale,))

    def embedding(self, image: ImageSpec) -> str:
        """Patches to the first block's input."""
        model = self.model
        features = image.channels * image.patch**2
        self.tensors[Network.INPUT] = TensorSpec(image.patches, features, 8, (image.scale,))
        stream = self.stream(image.patches)
        if isinstance(model.norm_pre, nn.LayerNorm):
            stream = replace(stream, scales=(self._embedding_scale(),))
        projection = RealLinear.of(model.patch_embed.proj)
        patches = self.linear("patch_embed.proj", -1, Network.INPUT, projection, stream)

        prefix, position = embedding_tokens(model)
        spec = replace(stream, tokens=len(position))
        scale = spec.scales[0]
        params = {"prefix": _int16(prefix / scale), "position": _int16(position / scale)}
        x = self.append(Embed("embed", -1, (patches,), "embed"), spec, params)
        if isinstance(model.norm_pre, nn.LayerNorm):
            x = self.layernorm("norm_pre", -1, x, model.norm_pre, self.stream(len(position)))
        return x

    def _embedding_scale(self) -> float:
        """Scale of what a norm before the blocks reads."""
        return int16_scale(max(map(self.seen.peak, ("patch_embed.proj", "norm_pre.in"))))

    def encoder_block(self, index: int, x: str) -> str:
        """Attention and MLP, each with its residual addition."""
        block: Any = self.model.blocks[index]
        path = f"blocks.{index}"
        normed = self.norm_to_int8(f"{path}.norm1", index, x, block.norm1, f"{path}.norm1")
        mixed = self.attention(path, index, normed, block.attn)
        spec = self.tensors[x]
        real = RealLinear.of(block.attn.proj, block.ls1)
        branch = self.linear(f"{path}.attn.proj", index, mixed, real, spec)
        x = self.add(f"{path}.add1", index, x, branch)

        normed = self.norm_to_int8(f"{path}.norm2", index, x, block.norm2, f"{path}.norm2")
        hidden = self.hidden(path, index, normed, block.mlp)
        real = RealLinear.of(block.mlp.fc2, block.ls2)
        branch = self.linear(f"{path}.mlp.fc2", index, hidden, real, spec)
        return self.add(f"{path}.add2", index, x, branch)

    def attention(self, path: str, index: int, x: str, attention: Attention) -> str:
        """qkv to the mixed values, the input of the projection; scales are per head."""
        heads, width, tokens = attention.num_heads, attention.head_dim, self.tensors[x].tokens
        path = f"{path}.attn"
        scales = tuple(
            self.int8_scale(f"{path}.{letter}{head}") for letter in "qkv" for head in range(heads)
        )
        spec = TensorSpec(tokens, 3 * heads * width, 8, scales, 3 * heads)
        qkv = self.linear(f"{path}.qkv", index, x, RealLinear.of(attention.qkv), spec)

        query, key, value = np.reshape(scales, (3, heads))
        mult, shift = multipliers(query * key * attention.scale / SCORE_SCALE)
        name = f"{path}.scores"
        spec = TensorSpec(tokens, heads * tokens, 16, (SCORE_SCALE,), heads)
        scores = self.append(Scores(name, index, (qkv,), name, heads, mult, shift), spec)

        name = f"{path}.softmax"
        scale = int8_scale(self.seen.sites[f"{path}.probabilities"].samples, 1.0)
        op = Softmax(name, index, (scores,), name, probability_mult=round((1 << 12) / scale))
        shares = self.append(op, replace(spec, bits=8, scales=(scale,)))

        name = f"{path}.attend"
        scale_out = self.int8_scale(f"{path}.proj.in")
        mult, shift = multipliers(scale * value / scale_out)
        spec = TensorSpec(tokens, heads * width, 8, (scale_out,), heads)
        return self.append(Attend(name, index, (shares, qkv), name, heads, mult, shift), spec)

    def hidden(self, path: str, index: int, x: str, mlp: Any) -> str:
        """fc1 and its activation function, whose table makes int8 out of int8."""
        name = f"{path}.mlp.fc1"
        scale_before, scale_after = self._table_scales(path, mlp.act)
        table = activation_table(mlp.act, scale_before, scale_after)
        spec = TensorSpec(self.tensors[x].tokens, mlp.fc1.out_features, 8, (scale_after,))
        real = RealLinear.of(mlp.fc1)
        return self.linear(name, index, x, real, spec, table, scale_before)

    def _table_scales(self, path: str, activation: nn.Module) -> tuple[float, float]:
        """Scales before and after the table; the first with the second's error in view."""
        before = self.seen.sites[f"{path}.mlp.fc1"]
        wanted = apply_activation(activation, before.samples)
        after = self.int8_scale(f"{path}.mlp.fc2.in")

        def error(scale: float) -> Floats:
            levels = to_int8(before.samples, scale) * scale
            return to_int8(apply_activation(activation, levels), after) * after - wanted

        return best_scale(before.peak, error), after

    def classifier(self, x: str) -> str:
        """Pooling, final norm and head."""
        model: Any = self.model
        name = "norm" if isinstance(model.norm, nn.LayerNorm) else "fc_norm"
        norm = getattr(model, name)
        if isinstance(model, VisionTransformerDistilled):
            return self.distilled_classifier(x, norm)
        if model.global_pool == "token":
            x = self.select("select", x, 0)
            return self.head("head", self.norm_to_int8(name, -1, x, norm, "head.in"))
        start = 0 if model.pool_include_prefix else model.num_prefix_tokens
        if name == "fc_norm":
            x = self.mean("mean", x, start)
            return self.head("head", self.norm_to_int8(name, -1, x, norm, "head.in"))
        # The norm comes before the mean here; head and mean commute.
        x = self.head("head", self.norm_to_int8(name, -1, x, norm, name))
        return self.mean("mean", x, start)

    def distilled_classifier(self, x: str, norm: nn.LayerNorm) -> str:
        """The mean of two heads: a sum whose scale is halved."""
        logits = []
        for index, suffix in enumerate(("", "_dist")):
            token = self.select(f"select{suffix}", x, index)
            site = f"head{suffix}.in"
            logits.append(
                self.head(
                    f"head{suffix}", self.norm_to_int8(f"norm{suffix}", -1, token, norm, site)
                )
            )
        total = self.add("logits", -1, *logits)
        spec = self.tensors[total]
        self.tensors[total] = replace(spec, scales=(spec.scales[0] / 2,))
        return total

    def head(self, name: str, x: str) -> str:
        """A classifier; all of a network have one scale, which leaves room for their sum."""
        head = getattr(self.model, name)
        peaks = [self.seen.peak(site) for site in ("head", "head_dist", "head.tokens")]
        spec = TensorSpec(
            self.tensors[x].tokens, head.out_features, 16, (int16_scale(2 * max(peaks)),)
        )
        return self.linear(name, -1, x, RealLinear.of(head), spec)


def _int16(levels: Floats) -> NDArray[np.int16]:
    return np.clip(round_half_up(levels), -32768, 32767).astype(np.int16)


def lower(
    loaded: LoadedModel,
    seen: Observations,
    block_shape: tuple[int, int],
    info: dict[str, Any],
) -> Network:
    """The integer network of `loaded`, with scales chosen from `seen`."""
    model = loaded.model
    stream_sites = ["blocks", "blocks.in"]
    stream_sites += [name for name in seen.sites if name.endswith(_STREAM_SITES)]
    if not isinstance(model.norm_pre, nn.LayerNorm):
        stream_sites.append("patch_embed.proj")
    build = Lowering(
        seen,
        block_shape,
        model=model,
        stream_scale=int16_scale(max(map(seen.peak, stream_sites))),
    )
    image = image_spec(loaded)
    x = build.embedding(image)
    for index in range(len(model.blocks)):
        x = build.encoder_block(index, x)
    build.classifier(x)
    network = Network(loaded.name, image, build.ops, build.tensors, build.params, info)
    network.validate()
    return network
