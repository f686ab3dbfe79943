"""Reading SAIF files: how long every bit of a design was high, and how often it changed."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from hw.errors import UserError

_INSTANCE = re.compile(r"\(INSTANCE (\S+)")
_NET = re.compile(r"\((\S+) \(T0 (\d+)\) \(T1 (\d+)\) .*\(TC (\d+)\)\)")
CLOCKS = ("clk", "clk_i")


@dataclass(frozen=True)
class Net:
    """One bit."""

    high: int
    """Time at 1, in units of the file."""
    toggles: int


@dataclass(frozen=True)
class Saif:
    """Bits by the path of their instance and their name, `u_core/u_array` and `sum_o[3]` say."""

    instances: dict[str, dict[str, Net]]

    def net(self, path: str) -> Net:
        """A bit by its whole path.

        Raises:
            UserError: when there is none.
        """
        instance, _, name = path.rpartition("/")
        for found, nets in self.instances.items():
            if f"/{found}".endswith(f"/{instance}") and name in nets:
                return nets[name]
        raise UserError(f"{path}: no such signal among those recorded")

    def toggles(self, instance: str) -> int:
        """Changes of all bits of an instance and of those below it, clocks left out."""
        return sum(
            net.toggles
            for path, nets in self.instances.items()
            if f"/{instance}/" in f"/{path}/"
            for name, net in nets.items()
            if name not in CLOCKS
        )


def read_saif(path: Path) -> Saif:
    """What Verilator wrote.

    Raises:
        UserError: when the file is missing or holds no signals.
    """
    instances: dict[str, dict[str, Net]] = defaultdict(dict)
    stack: list[str] = []
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}), expected a SAIF file"
        ) from error
    for line in lines:
        if net := _NET.search(line):
            name = net[1].replace("\\", "")
            instances["/".join(stack)][name] = Net(int(net[3]), int(net[4]))
        elif instance := _INSTANCE.search(line):
            stack.append(instance[1])
        elif stack and line == f"{' ' * len(stack)})":
            stack.pop()
    if not instances:
        raise UserError(f"{path}: no signals, expected a SAIF file")
    return Saif(dict(instances))
