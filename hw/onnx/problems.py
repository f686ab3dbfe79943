"""What keeps a graph from becoming a network: every node that cannot be mapped, and why."""

from __future__ import annotations

import onnx

from hw.errors import UserError


class Unmapped(Exception):
    """Why a node has no counterpart in the IR."""


class Problems:
    """The nodes of a file that cannot be mapped."""

    def __init__(self, source: str) -> None:
        """`source` is the name of the file."""
        self._source = source
        self._lines: list[str] = []

    def add(self, node: onnx.NodeProto, reason: object) -> None:
        operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        output = f" -> {node.output[0]}" if node.output else ""
        self._lines.append(f"{node.name or '(no name)'}: {operator}{output}: {reason}")

    def check(self) -> None:
        """
        Raises:
            UserError: there are any; its details are a line for each.
        """
        if self._lines:
            count = len(self._lines)
            raise UserError(
                f"{self._source}: {count} {'node' if count == 1 else 'nodes'} cannot be mapped to "
                "an integer network; change or remove what is listed below",
                self._lines,
            )
