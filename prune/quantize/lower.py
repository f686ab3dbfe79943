"""From a float Vision Transformer and its activation statistics to the integer IR."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.layers import Attention
from timm.models.deit import VisionTransformerDistilled
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from hw.integer import EXP2_FRACTION_BITS, INT8_MAX, quantize_multiplier
from hw.ir import (
    Add,
    Attend,
    Embed,
    ImageSpec,
    LayerNorm,
    Linear,
    MeanTokens,
    Network,
    Op,
    Scores,
    SelectToken,
    Softmax,
    TensorSpec,
)
from prune.models import LoadedModel
from prune.quantize.linear import (
    RealLinear,
    activation_table,
    apply_activation,
    layernorm_params,
    linear_params,
)
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
_STREAM_SITES = (".norm1.in", ".norm2.in", ".proj", ".fc2", ".ls1", ".ls2")


def image_spec(loaded: LoadedModel) -> ImageSpec:
    """The input of `loaded`; its scale covers every pixel value."""
    channels, height, width = loaded.image_shape
    reach = [max(mean, 1 - mean) / std for mean, std in zip(loaded.mean, loaded.std, strict=True)]
    return ImageSpec(
        channels=channels,
        height=height,
        width=width,
        patch=loaded.model.patch_embed.patch_size[0],
        scale=max(reach) / INT8_MAX,
        mean=loaded.mean,
        std=loaded.std,
    )


@dataclass
class _Lowering:
    """The network under construction; every method appends operations and returns a tensor name."""

    model: VisionTransformer
    seen: Observations
    block_shape: tuple[int, int]
    ops: list[Op] = field(default_factory=list)
    tensors: dict[str, TensorSpec] = field(default_factory=dict)
    params: dict[str, NDArray[Any]] = field(default_factory=dict)
    stream_scale: float = 1.0

    def append(self, op: Op, target: TensorSpec, params: dict[str, NDArray[Any]]) -> str:
        self.ops.append(op)
        self.tensors[op.output] = target
        self.params.update({f"{op.name}.{suffix}": array for suffix, array in params.items()})
        return op.output

    def scale(self, tensor: str) -> float:
        return self.tensors[tensor].scales[0]

    def int8_scale(self, site: str) -> float:
        return int8_scale(self.seen.sites[site].samples, self.seen.sites[site].peak)

    def linear(
        self,
        name: str,
        block: int,
        source: str,
        real: RealLinear,
        target: TensorSpec,
        table: NDArray[np.int8] | None = None,
        scale_before_table: float | None = None,
    ) -> str:
        """A linear layer; `target` may have one scale a group."""
        op = Linear(name, block, (source,), name, table is not None, self.block_shape)
        scale_out = np.repeat(target.scales, target.features // len(target.scales))
        if scale_before_table is not None:
            scale_out = np.full(target.features, scale_before_table)
        mean = self.seen.means.get(name)
        mean_in = None if mean is None else mean.double().numpy()
        params = linear_params(name, real, self.scale(source), scale_out, mean_in)
        return self.append(op, target, params if table is None else {**params, "table": table})

    def layernorm(
        self, name: str, block: int, source: str, norm: nn.LayerNorm, target: TensorSpec
    ) -> str:
        params, shift, epsilon = layernorm_params(norm, self.scale(source), target.scales[0])
        op = LayerNorm(name, block, (source,), name, shift=shift, epsilon=epsilon)
        return self.append(op, target, params)

    def norm_to_int8(
        self, name: str, block: int, source: str, norm: nn.LayerNorm, site: str
    ) -> str:
        target = replace(self.tensors[source], bits=8, scales=(self.int8_scale(site),))
        return self.layernorm(name, block, source, norm, target)

    def stream(self, tokens: int) -> TensorSpec:
        return TensorSpec(tokens, self.model.embed_dim, 16, (self.stream_scale,))

    def add(self, name: str, block: int, a: str, b: str) -> str:
        return self.append(Add(name, block, (a, b), name), self.tensors[a], {})

    # Parts of the network, from input to output.

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
        sites = self.seen.sites
        return int16_scale(max(sites["patch_embed.proj"].peak, sites["norm_pre.in"].peak))

    def encoder_block(self, index: int, x: str) -> str:
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
        heads, width, tokens = attention.num_heads, attention.head_dim, self.tensors[x].tokens
        path = f"{path}.attn"
        scales = tuple(
            self.int8_scale(f"{path}.{letter}{head}") for letter in "qkv" for head in range(heads)
        )
        spec = TensorSpec(tokens, 3 * heads * width, 8, scales, 3 * heads)
        qkv = self.linear(f"{path}.qkv", index, x, RealLinear.of(attention.qkv), spec)

        query, key, value = np.reshape(scales, (3, heads))
        mult, shift = _multipliers(query * key * attention.scale / SCORE_SCALE)
        name = f"{path}.scores"
        spec = TensorSpec(tokens, heads * tokens, 16, (SCORE_SCALE,), heads)
        scores = self.append(Scores(name, index, (qkv,), name, heads, mult, shift), spec, {})

        name = f"{path}.softmax"
        scale = self._probability_scale(path)
        op = Softmax(name, index, (scores,), name, probability_mult=round((1 << 12) / scale))
        shares = self.append(op, replace(spec, bits=8, scales=(scale,)), {})

        name = f"{path}.attend"
        scale_out = self.int8_scale(f"{path}.proj.in")
        mult, shift = _multipliers(scale * value / scale_out)
        spec = TensorSpec(tokens, heads * width, 8, (scale_out,), heads)
        return self.append(Attend(name, index, (shares, qkv), name, heads, mult, shift), spec, {})

    def _probability_scale(self, path: str) -> float:
        site = self.seen.sites[f"{path}.probabilities"]
        return int8_scale(site.samples, 1.0)

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

    def classifier(self, x: str, start: int) -> str:
        """Pooling, final norm and head; `start` is the first token of an average."""
        model: Any = self.model
        name = "norm" if isinstance(model.norm, nn.LayerNorm) else "fc_norm"
        norm = getattr(model, name)
        if model.global_pool == "avg" and name == "norm":
            # The norm comes before the mean here; head and mean commute.
            x = self.norm_to_int8(name, -1, x, norm, name)
            return self.mean(self.head("head", x, model.head), start)
        if model.global_pool == "avg":
            x = self.mean(x, start)
        if not isinstance(model, VisionTransformerDistilled):
            x = x if model.global_pool == "avg" else self.select("select", x, 0)
            return self.head("head", self.norm_to_int8(name, -1, x, norm, name), model.head)
        parts = []
        for index, suffix in enumerate(("", "_dist")):
            token = self.select(f"select{suffix}", x, index)
            normed = self.norm_to_int8(f"norm{suffix}", -1, token, norm, name)
            head: Any = model.head_dist if suffix else model.head
            parts.append(self.head(f"head{suffix}", normed, head))
        total = self.add("logits", -1, *parts)
        spec = self.tensors[total]
        self.tensors[total] = replace(spec, scales=(spec.scales[0] / 2,))  # the mean of two heads
        return total

    def select(self, name: str, x: str, index: int) -> str:
        op = SelectToken(name, -1, (x,), name, index=index)
        return self.append(op, replace(self.tensors[x], tokens=1), {})

    def mean(self, x: str, start: int) -> str:
        spec = self.tensors[x]
        mult, shift = _multipliers(np.array([1 / (spec.tokens - start)]))
        op = MeanTokens("mean", -1, (x,), "mean", start=start, mult=mult[0], shift=shift[0])
        return self.append(op, replace(spec, tokens=1), {})

    def head(self, name: str, x: str, head: nn.Linear) -> str:
        peak = max(site.peak for key, site in self.seen.sites.items() if key in _HEADS)
        # Twice the range: the two heads of a distilled model are added.
        scale = int16_scale(2 * peak)
        spec = TensorSpec(self.tensors[x].tokens, head.out_features, 16, (scale,))
        return self.linear(name, -1, x, RealLinear.of(head), spec)


_HEADS = ("head", "head_dist")


def _int16(levels: Floats) -> NDArray[np.int16]:
    return np.clip(round_half_up(levels), -32768, 32767).astype(np.int16)


def _multipliers(factors: Floats) -> tuple[tuple[int, ...], tuple[int, ...]]:
    mult, shift = quantize_multiplier(factors)
    return tuple(mult.tolist()), tuple(shift.tolist())


def embedding_tokens(model: VisionTransformer) -> tuple[Floats, Floats]:
    """Prefix tokens with their positions (prefix, features), and positions (tokens, features)."""
    names = ("cls_token", "dist_token", "reg_token")
    tokens = [getattr(model, name, None) for name in names]
    parts: list[Tensor] = [token[0] for token in tokens if token is not None]
    empty = torch.zeros(0, model.embed_dim)
    prefix = torch.cat(parts) if parts else empty
    patches = model.patch_embed.num_patches
    position = torch.zeros(len(prefix) + patches, model.embed_dim)
    if model.pos_embed is not None:
        table = model.pos_embed[0]
        position[len(position) - len(table) :] = table
    prefix = prefix + position[: len(prefix)]
    position[: len(prefix)] = 0
    return prefix.detach().double().numpy(), position.detach().double().numpy()


def lower(
    loaded: LoadedModel,
    seen: Observations,
    block_shape: tuple[int, int],
    info: dict[str, Any],
) -> Network:
    """The integer network of `loaded`, with scales chosen from `seen`."""
    model = loaded.model
    stream_peak = max(
        [site.peak for name, site in seen.sites.items() if name.endswith(_STREAM_SITES)]
        + [seen.sites["blocks"].peak, seen.sites["blocks.in"].peak]
    )
    if not isinstance(model.norm_pre, nn.LayerNorm):
        stream_peak = max(stream_peak, seen.sites["patch_embed.proj"].peak)
    build = _Lowering(model, seen, block_shape, stream_scale=int16_scale(stream_peak))
    image = image_spec(loaded)
    x = build.embedding(image)
    for index in range(len(model.blocks)):
        x = build.encoder_block(index, x)
    build.classifier(x, 0 if model.pool_include_prefix else model.num_prefix_tokens)
    network = Network(loaded.name, image, build.ops, build.tensors, build.params, info)
    network.validate()
    return network
