"""From a float Vision Transformer and its activation statistics to the integer IR."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from hw.ir import Attend, Embed, ImageSpec, Network, Scores, Softmax, TensorSpec
from hw.quantization import (
    LEAST_PROBABILITY,
    SCORE_SCALE,
    multipliers,
    probability_multiplier,
    to_int16,
)
from prune.models import LoadedModel
from prune.quantize.builder import Builder
from prune.quantize.embedding import embedding_tokens, image_spec
from prune.quantize.linear import RealLinear, real_norm
from prune.quantize.observe import Site
from prune.quantize.scales import int8_scale, int16_scale
from prune.quantize.selector import SelectorLowering
from prune.quantize.smooth import Smoothing
from prune.quantize.table import fit_table
from prune.tokens.access import selectors_of

_STREAM_SITES = (".norm1.in", ".norm2.in", ".ls1", ".ls2")
"""What shares the residual stream's scale in a block; a missing layer scale passes its input on."""


@dataclass(kw_only=True)
class Lowering(Builder):
    """Builds a Vision Transformer's network from input to output."""

    model: VisionTransformer
    stream_scale: float
    selected: str = ""
    """The last selection of tokens so far."""

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
        params = {"prefix": to_int16(prefix, scale), "position": to_int16(position, scale)}
        x = self.append(Embed("embed", -1, (patches,), "embed"), spec, params)
        if isinstance(model.norm_pre, nn.LayerNorm):
            norm = real_norm(model.norm_pre)
            x = self.layernorm("norm_pre", -1, x, norm, self.stream(len(position)))
        return x

    def _embedding_scale(self) -> float:
        """Scale of what a norm before the blocks reads."""
        return int16_scale(self.peak(("patch_embed.proj", "norm_pre.in")))

    def encoder_block(self, index: int, x: str) -> str:
        """The token selector before it, if any; attention and MLP, each with its addition."""
        selector = selectors_of(self.model).get(index)
        if selector is not None:
            lowering = SelectorLowering(self, index, selector, self.selected)
            x = self.selected = lowering.lower(x, self.model.num_prefix_tokens)
        x = self.add(f"blocks.{index}.add1", index, x, self.attention(index, x))
        return self.add(f"blocks.{index}.add2", index, x, self.mlp(index, x))

    def attention(self, index: int, x: str) -> str:
        """The norm, attention and its projection; scales of q, k and v are per head."""
        block: Any = self.model.blocks[index]
        attention, path = block.attn, f"blocks.{index}.attn"
        heads, width, tokens = attention.num_heads, attention.head_dim, self.tensors[x].tokens
        projection = RealLinear.of(attention.proj, block.ls1)
        mixed = self.seen[f"{path}.proj.in"]
        smooth_values = Smoothing.between(mixed, projection)
        smooth = Smoothing.attention(self.seen[f"{path}.qkv"], heads, smooth_values)
        seen_qkv, mixed = smooth.site(self.seen[f"{path}.qkv"]), smooth_values.site(mixed)

        parts = [seen_qkv.part(i * width, (i + 1) * width) for i in range(3 * heads)]
        scales = tuple(int8_scale(part) for part in parts)
        spec = TensorSpec(tokens, 3 * heads * width, 8, scales, 3 * heads)
        names = (f"blocks.{index}.norm1", f"{path}.qkv")
        real = smooth.producer(RealLinear.of(attention.qkv))
        qkv = self.norm_and_linear(names, index, x, block.norm1, real, spec)

        query, key, value = np.reshape(scales, (3, heads))
        mult, shift = multipliers(query * key * attention.scale / SCORE_SCALE)
        name = f"{path}.scores"
        spec = TensorSpec(tokens, heads * tokens, 16, (SCORE_SCALE,), heads)
        scores = self.append(Scores(name, index, (qkv,), name, heads, mult, shift), spec)

        name = f"{path}.softmax"
        scale = max(int8_scale(self.seen[f"{path}.probabilities"]), LEAST_PROBABILITY)
        op = Softmax(name, index, (scores,), name, probability_mult=probability_multiplier(scale))
        shares = self.append(op, replace(spec, bits=8, scales=(scale,)))

        name = f"{path}.attend"
        scale_out = int8_scale(mixed)
        mult, shift = multipliers(scale * value / scale_out)
        spec = TensorSpec(tokens, heads * width, 8, (scale_out,), heads)
        x8 = self.append(Attend(name, index, (shares, qkv), name, heads, mult, shift), spec)
        real = smooth_values.consumer(projection)
        return self.linear(f"{path}.proj", index, x8, real, self.tensors[x], mixed.mean)

    def mlp(self, index: int, x: str) -> str:
        """The norm, fc1 with its activation function, and fc2."""
        block: Any = self.model.blocks[index]
        path = f"blocks.{index}.mlp"
        table = fit_table(block.mlp.act, self.seen[f"{path}.fc1"].values)
        first, second = RealLinear.of(block.mlp.fc1), RealLinear.of(block.mlp.fc2, block.ls2)
        first = first.less(table.center_in)
        spec = TensorSpec(self.tensors[x].tokens, len(first.bias), 8, (table.scale_out,))
        names = (f"blocks.{index}.norm2", f"{path}.fc1")
        hidden = self.norm_and_linear(names, index, x, block.norm2, first, spec, table)

        smooth = Smoothing.constant(table.center_out, len(first.bias))
        mean = smooth.site(self.seen[f"{path}.fc2.in"]).mean
        real = smooth.consumer(second)
        return self.linear(f"{path}.fc2", index, hidden, real, self.tensors[x], mean)

    def classifier(self, x: str) -> str:
        """Pooling, final norm and head."""
        model: Any = self.model
        name = "norm" if isinstance(model.norm, nn.LayerNorm) else "fc_norm"
        if isinstance(model, VisionTransformerDistilled):
            return self.distilled_classifier(x)
        if model.global_pool == "token":
            return self.head((name, "head"), self.select("select", x, 0))
        start = 0 if model.pool_include_prefix else model.num_prefix_tokens
        if name == "fc_norm":
            return self.head((name, "head"), self.mean("mean", x, start))
        # The norm comes before the mean here; head and mean commute.
        return self.mean("mean", self.head((name, "head"), x, site="norm"), start)

    def distilled_classifier(self, x: str) -> str:
        """The mean of two heads: a sum whose scale is halved."""
        logits = [
            self.head((f"norm{suffix}", f"head{suffix}"), self.select(f"select{suffix}", x, token))
            for token, suffix in enumerate(("", "_dist"))
        ]
        total = self.add("logits", -1, *logits)
        spec = self.tensors[total]
        self.tensors[total] = replace(spec, scales=(spec.scales[0] / 2,))
        return total

    def head(self, names: tuple[str, str], x: str, site: str | None = None) -> str:
        """The final norm and a classifier; two have one scale, which leaves room for their sum."""
        model: Any = self.model
        norm = model.norm if isinstance(model.norm, nn.LayerNorm) else model.fc_norm
        real = RealLinear.of(getattr(model, names[1]))
        scale = int16_scale(2 * self.peak(("head", "head_dist", "head.tokens")))
        spec = TensorSpec(self.tensors[x].tokens, len(real.bias), 16, (scale,))
        return self.norm_and_linear(names, -1, x, norm, real, spec, site=site)


def lower(
    loaded: LoadedModel,
    seen: dict[str, Site],
    block_shape: tuple[int, int],
    info: dict[str, Any],
) -> Network:
    """The integer network of `loaded`, with scales chosen from `seen`."""
    model = loaded.compilable()
    stream_sites = ["blocks", "blocks.in"]
    stream_sites += [name for name in seen if name.endswith(_STREAM_SITES)]
    if not isinstance(model.norm_pre, nn.LayerNorm):
        stream_sites.append("patch_embed.proj")
    build = Lowering(seen, block_shape, model=model, stream_scale=1.0)
    build.stream_scale = int16_scale(build.peak(stream_sites))
    image = image_spec(loaded)
    x = build.embedding(image)
    for index in range(len(model.blocks)):
        x = build.encoder_block(index, x)
    build.classifier(x)
    network = Network(loaded.name, image, build.ops, build.tensors, build.params, info)
    network.validate()
    return network
