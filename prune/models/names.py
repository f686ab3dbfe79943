"""Model names: short names, timm names, and overrides as in `deit_s:img_size=96,num_classes=10`.

Models of several stages take a number a stage: `swin_tiny_patch4_window7_224:depths=2x2x6x2`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches

import timm

from hw.errors import UserError

DEMO = "demo"
SHORT_NAMES = {
    "deit_t": "deit_tiny_patch16_224",
    "deit_s": "deit_small_patch16_224",
    "deit_b": "deit_base_patch16_224",
}

Value = int | float | bool | str | tuple[int, ...]

_INTEGERS = (
    "img_size",
    "patch_size",
    "in_chans",
    "num_classes",
    "reg_tokens",
    "window_size",
)
_STAGED = ("embed_dim", "depth", "depths", "num_heads", "heads", "base_dims")
"""Whole numbers, or one a stage, as in 2x2x6x2."""
_FLOATS = ("mlp_ratio", "init_values")
_FLAGS = ("class_token", "no_embed_class", "pre_norm", "qkv_bias")
_WORDS = ("global_pool",)
OVERRIDES = (*_INTEGERS, *_STAGED, *_FLOATS, *_FLAGS, *_WORDS)


@dataclass(frozen=True)
class ModelName:
    """What a model name stands for: the demo, or a timm entry point and its arguments."""

    timm_name: str
    overrides: dict[str, Value] = field(default_factory=dict)


def parse_name(name: str) -> ModelName:
    """Split and check a model name.

    Raises:
        UserError: the name is unknown, or an override cannot be used.
    """
    base, _, text = name.partition(":")
    overrides = dict(_parse_override(name, item) for item in text.split(",") if item)
    if base == DEMO and overrides:
        raise UserError(f"model {name!r}: the demo takes no overrides; use MODEL={DEMO}")
    timm_name = SHORT_NAMES.get(base, base)
    if base != DEMO and not timm.is_model(timm_name):
        known = [DEMO, *SHORT_NAMES, *timm.list_models()]
        close = get_close_matches(base, known, n=3, cutoff=0.5) or [DEMO, *SHORT_NAMES]
        raise UserError(
            f"model {base!r}: expected {DEMO}, {', '.join(SHORT_NAMES)} or a Vision Transformer "
            f"of timm; did you mean {' or '.join(close)}?"
        )
    return ModelName(timm_name, overrides)


def _parse_override(name: str, item: str) -> tuple[str, Value]:
    key, equals, text = item.partition("=")
    if not equals or key not in OVERRIDES:
        raise UserError(
            f"model {name!r}: expected KEY=VALUE with a key out of {', '.join(OVERRIDES)}, "
            f"got {item!r}"
        )
    try:
        return key, _parse_value(key, text)
    except ValueError as error:
        raise UserError(f"model {name!r}: {key}={text} is not {error}; change it") from error


def _parse_value(key: str, text: str) -> Value:
    if key in _WORDS:
        return text
    if key in _FLAGS:
        if text.lower() not in ("true", "false"):
            raise ValueError("true or false")
        return text.lower() == "true"
    if key in _FLOATS:
        try:
            return float(text)
        except ValueError:
            raise ValueError("a number") from None
    parts = text.split("x") if key in _STAGED else [text]
    if not all(part.isdecimal() for part in parts):
        raise ValueError("a whole number" + (", nor one a stage" if key in _STAGED else ""))
    numbers = tuple(int(part) for part in parts)
    return numbers if len(numbers) > 1 else numbers[0]
