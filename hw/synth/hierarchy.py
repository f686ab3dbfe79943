"""The modules of an elaborated design, each kind once, as RTLIL text.

The elaborator makes a module of every instance. Those that differ in nothing but the names that
yosys invents become one again here, so that a row of the array is synthesized once.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_MODULE = re.compile(r"^((?:attribute [^\n]*\n)*)module (\S+)\n(.*?)^end\n", re.M | re.S)
_CELL = re.compile(r"^(  cell )(\S+)( \S+)$", re.M)
_PORT = re.compile(r"^  wire .*\b(?:input|output|inout) \d+ .*$", re.M)
_POSITION = re.compile(r"^\s*attribute \\(?:src|hdlname) .*\n", re.M)
_INVENTED = re.compile(r"\$[^\s\[\]]*\d[^\s\[\]]*")


@dataclass(frozen=True)
class Module:
    """One kind of module: its RTLIL, and what it is built from."""

    name: str
    """As in the elaborated design: `\\module$path.of.first.instance`."""
    body: str
    children: dict[str, int]
    """Instances of other modules, by name."""

    @property
    def kind(self) -> str:
        """The module's name in the source."""
        return self.name.lstrip("\\").partition("$")[0]

    @property
    def path(self) -> str:
        """Where its first instance is; empty for the top."""
        return self.name.partition("$")[2]

    @property
    def has_memory(self) -> bool:
        """Whether the elaborator saw an array of words in it."""
        return "\n  memory " in self.body or "cell $mem" in self.body

    @property
    def digest(self) -> str:
        """The same for modules that differ only in invented names, comments and positions."""
        return hashlib.sha256(_canonical(self.body).encode()).hexdigest()[:16]


def read_modules(rtlil: Path) -> dict[str, Module]:
    """The modules of a design that yosys wrote, each kind once, by name."""
    bodies = {name: body for _, name, body in _MODULE.findall(rtlil.read_text())}
    bodies = _unified(bodies)
    return {
        name: Module(
            name,
            body,
            dict(Counter(cell for _, cell, _ in _CELL.findall(body) if cell in bodies)),
        )
        for name, body in bodies.items()
    }


def standalone(module: Module, modules: dict[str, Module]) -> str:
    """RTLIL of one module for yosys, its children as black boxes."""
    boxes = "".join(
        f"attribute \\blackbox 1\nmodule {name}\n{_ports(modules[name].body)}end\n"
        for name in module.children
    )
    highest = max((int(number) for number in re.findall(r"\$(\d+)", module.body)), default=0)
    return f"autoidx {highest + 1}\n{boxes}module {module.name}\n{module.body}end\n"


def instances(modules: dict[str, Module], top: str) -> dict[str, int]:
    """How often each module stands in the whole design, by name."""
    counts = {name: 0 for name in modules}

    def add(name: str, times: int) -> None:
        counts[name] += times
        for child, number in modules[name].children.items():
            add(child, times * number)

    add(top, 1)
    return counts


def _ports(body: str) -> str:
    return "".join(f"{line}\n" for line in _PORT.findall(body))


def _canonical(body: str) -> str:
    names: dict[str, str] = {}
    return _INVENTED.sub(
        lambda match: names.setdefault(match.group(), f"${len(names)}"), _POSITION.sub("", body)
    )


def _unified(bodies: dict[str, str]) -> dict[str, str]:
    """Leave one of each set of equal modules; parents become equal once their children are one."""
    while True:
        first: dict[tuple[str, str], str] = {}
        other: dict[str, str] = {}
        for name, body in bodies.items():
            kept = first.setdefault((name.partition("$")[0], _canonical(body)), name)
            if kept != name:
                other[name] = kept
        if not other:
            return bodies
        bodies = {name: _renamed(body, other) for name, body in bodies.items() if name not in other}


def _renamed(body: str, other: dict[str, str]) -> str:
    """A body whose cells are of the modules that stay."""
    return _CELL.sub(lambda match: match[1] + other.get(match[2], match[2]) + match[3], body)
