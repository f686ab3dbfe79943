"""What operations and tensors of the IR are called in hls4ml."""

from __future__ import annotations

import re

from hw.errors import UserError
from hw.ir import Network


def layer_name(name: str) -> str:
    """The name that an operation or a tensor of the IR has in hls4ml: a C identifier."""
    return re.sub(r"\W", "_", name)


def output_name(tensor: str) -> str:
    """The name of a tensor in the graph, apart from the attributes of layers."""
    return tensor if tensor == Network.INPUT else f"{layer_name(tensor)}_out"


def live_name(selection: str) -> str:
    """The two numbers that go with the tokens of a selection: how many there are, and whether the
    last one is a package token."""
    return f"{layer_name(selection)}_live"


def check_names(network: Network) -> None:
    """That no two names become the same.

    Raises:
        UserError: two do.
    """
    for names in ([op.name for op in network.ops], list(network.tensors)):
        known: dict[str, str] = {}
        for name in names:
            other = known.setdefault(layer_name(name).lower(), name)
            if other != name:
                raise UserError(f"{name} and {other} are the same name in HLS; rename one of them")
