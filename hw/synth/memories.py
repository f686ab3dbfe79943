"""Which memories a module has, and what synthesis made of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CELL = re.compile(r"^cell \$mem_v2 (\S+)\n(.*?)^end$", re.M | re.S)
_PARAMETER = re.compile(r"^\s*parameter (?:signed )?\\(\w+) (?:\d+'([01x]+)|(\d+)|\"(.*)\")$", re.M)
_FORMS = {"BLOCKRAM": "BRAM", "URAM": "URAM", "ULTRARAM": "URAM", "LUTRAM": "LUTRAM"}


@dataclass(frozen=True)
class Memory:
    """An array of words in the RTL."""

    name: str
    words: int
    bits: int
    """In all: words x width."""
    read_ports: int
    write_ports: int
    form: str
    """BRAM, URAM, LUTRAM or FF."""


def read_memories(module: str, dump: str, log: str) -> list[Memory]:
    """A module's memories from yosys' dump of the inferred ones and its log of mapping them."""
    mapped = rf"^mapping memory {re.escape(module.lstrip(chr(92)))}\.(\S+) via (\S+)$"
    forms = {}
    for name, primitive in re.findall(mapped, log, re.M):
        forms[name] = next(form for word, form in _FORMS.items() if word in primitive)
    found = []
    for _, body in _CELL.findall(_dedented(dump)):
        values = {
            name: binary or number or text
            for name, binary, number, text in _PARAMETER.findall(body)
        }
        name = values["MEMID"].replace("\\\\", "\\").lstrip("\\")
        words, width = int(values["SIZE"]), int(values["WIDTH"])
        found.append(
            Memory(
                name,
                words,
                words * width,
                int(values["RD_PORTS"]),
                int(values["WR_PORTS"]),
                forms.get(name, "FF"),
            )
        )
    return found


def _dedented(dump: str) -> str:
    return re.sub(r"^ {2}", "", dump, flags=re.M)
