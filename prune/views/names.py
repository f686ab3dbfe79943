"""Layers by transformer block and by kind, from their module paths, of any model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

OTHERS = "others"


def split(name: str) -> tuple[str, str]:
    """`blocks.3.attn.qkv` as (`blocks.3`, `attn.qkv`): up to the last number, and the rest.

    A path without a number has no group: (``, `head`).
    """
    parts = name.split(".")
    numbered = [index for index, part in enumerate(parts) if part.isdecimal()]
    cut = numbered[-1] + 1 if numbered and numbered[-1] + 1 < len(parts) else 0
    return ".".join(parts[:cut]), ".".join(parts[cut:])


def by_group(names: Iterable[str]) -> dict[str, list[str]]:
    """Layers of every transformer block, in order; those outside of one are under ``, first."""
    groups: dict[str, list[str]] = {"": []}
    for name in names:
        groups.setdefault(split(name)[0], []).append(name)
    return {group: members for group, members in groups.items() if members}


def by_kind(names: Iterable[str]) -> dict[str, list[str]]:
    """Layers of one kind, as all `attn.qkv`; those that are the only one of theirs come last."""
    names = list(names)
    counts = Counter(split(name)[1] for name in names)
    kinds: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: counts[split(name)[1]] == 1):
        kind = split(name)[1]
        kinds.setdefault(kind if counts[kind] > 1 else OTHERS, []).append(name)
    return kinds


def captions(members: Sequence[str]) -> list[str]:
    """Names within a group: `qkv` where no other layer of the group ends alike, else `attn.qkv`."""
    rests = [split(name)[1] for name in members]
    last = [rest.rpartition(".")[2] for rest in rests]
    inside = all(split(name)[0] for name in members)
    return [
        short if inside and last.count(short) == 1 else rest
        for rest, short in zip(rests, last, strict=True)
    ]
