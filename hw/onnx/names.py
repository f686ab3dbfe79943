"""Names in a file of the integer form."""

from __future__ import annotations

IMAGE = "image"
LOGITS = "logits"
_OURS = (IMAGE, LOGITS)
_PREFIX = "tensor."


def value_name(tensor: str) -> str:
    """A tensor's name in the file: its own, unless input or output of the file have that."""
    return _PREFIX + tensor if tensor in _OURS else tensor


def tensor_name(value: str) -> str:
    """The inverse of `value_name`."""
    bare = value.removeprefix(_PREFIX)
    return bare if bare in _OURS else value
