"""A synthesis for reading: Markdown and terminal tables. The JSON is the synthesis itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from hw.artifacts import write_json, write_text
from hw.synth.resources import NAMES
from hw.synth.whole import Synthesis

_HEADS = {
    "lut": "LUT",
    "lutram": "LUTRAM",
    "ff": "FF",
    "dsp": "DSP",
    "bram": "BRAM36",
    "uram": "URAM",
    "carry": "CARRY4",
}
_SHOWN_BITS = 1024
"""Registers in an array's form are no memories worth a line."""
_LIMITS = (
    "LUT: look-up tables as logic; LUTRAM: as memory or shift registers. Modules are mapped one by "
    "one, so nothing is simplified across their borders. yosys maps DSP48E2 without its adder and "
    "registers: sums and pipeline registers around products count as LUT, CARRY4 and FF here."
)


def write_synthesis(synthesis: Synthesis, folder: Path) -> list[Path]:
    """Write `synth.json` and `synth.md` into `folder`; their paths.

    Raises:
        UserError: when the folder cannot be written.
    """
    paths = [folder / "synth.json", folder / "synth.md"]
    write_text(paths[1], to_markdown(synthesis))
    write_json(paths[0], synthesis)
    return paths


def one_line(synthesis: Synthesis) -> str:
    """The whole in a line."""
    total = synthesis["total"]
    figures = ", ".join(f"{_number(total[name])} {head}" for name, head in _HEADS.items())
    return f"{figures} ({synthesis['family']}, yosys {synthesis['tools']['yosys']})"


def selectors_line(synthesis: Synthesis) -> str:
    """What token selectors add, in a line."""
    share = synthesis["selectors"]
    parts = [
        f"{share['added'][name]:+.1f} % {_HEADS[name]} (without: {_number(share['without'][name])})"
        for name in ("lut", "dsp")
    ]
    return f"Token selectors add {', '.join(parts)}."


def _number(value: float) -> str:
    return f"{value:,.1f}" if value % 1 else f"{int(value):,}"


def _names(synthesis: Synthesis) -> list[str]:
    """A name a module; the first instance's beside it where a module has several parameters."""
    kinds = Counter(entry["module"] for entry in synthesis["modules"])
    return [
        f"{entry['module']} {entry['first_instance'].rpartition('.')[2]}"
        if kinds[entry["module"]] > 1
        else entry["module"]
        for entry in synthesis["modules"]
    ]


def _module_rows(synthesis: Synthesis) -> Iterator[list[str]]:
    """Module, instances, and what all instances take, without the modules below them."""
    for name, entry in zip(_names(synthesis), synthesis["modules"], strict=True):
        number = entry["instances"]
        figures = [_number(entry["own"][resource] * number) for resource in _HEADS]
        yield [name, str(number), *figures]


def _memory_rows(synthesis: Synthesis) -> Iterator[list[str]]:
    for name, entry in zip(_names(synthesis), synthesis["modules"], strict=True):
        for memory in entry["memories"]:
            if memory["bits"] >= _SHOWN_BITS:
                yield [
                    f"{name}.{memory['name']}",
                    str(entry["instances"]),
                    f"{memory['words']:,} x {memory['bits'] // memory['words']:,}",
                    f"{memory['read_ports']} / {memory['write_ports']}",
                    memory["form"],
                ]


_MEMORY_HEADS = ("memory", "instances", "words x bits", "ports read / write", "became")


def _title(synthesis: Synthesis) -> str:
    config = synthesis["config"]
    return f"{synthesis['top']}, {config['rows']}x{config['cols']}, {synthesis['family']}"


def _total_row(synthesis: Synthesis) -> list[str]:
    return ["all", "", *(_number(synthesis["total"][name]) for name in _HEADS)]


def _table(heads: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def to_markdown(synthesis: Synthesis) -> str:
    """All of it: resources per module, memories, broken rules."""
    heads = ("module", "instances", *_HEADS.values())
    rows = [*_module_rows(synthesis), _total_row(synthesis)]
    lines = [
        f"# {_title(synthesis)}",
        "",
        f"yosys {synthesis['tools']['yosys']}, configuration {synthesis['config_digest']}, "
        f"{synthesis['processor_seconds']} s of processor time. {_LIMITS}",
        "",
        "All instances of a module, without the modules below it:",
        "",
        *_table(heads, iter(rows)),
        "",
        f"Memories of {_SHOWN_BITS} bits and more:",
        "",
        *_table(_MEMORY_HEADS, _memory_rows(synthesis)),
        "",
        "No latches, no multiplier outside of DSPs, large memories in block RAM."
        if not synthesis["problems"]
        else "Broken rules:",
        "",
        *(f"- {problem}" for problem in synthesis["problems"]),
    ]
    if "selectors" in synthesis:
        lines += ["", selectors_line(synthesis)]
    return "\n".join(lines).rstrip() + "\n"


def print_synthesis(synthesis: Synthesis, console: Console) -> None:
    """Resources per module, and what the memories became."""
    table = Table(title=_title(synthesis), box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("module")
    for head in ("instances", *_HEADS.values()):
        table.add_column(head, justify="right")
    for row in _module_rows(synthesis):
        table.add_row(*row)
    table.add_section()
    table.add_row(*_total_row(synthesis), style="bold")
    console.print(table)
    memories = Table(box=box.SIMPLE_HEAD)
    for head in _MEMORY_HEADS:
        memories.add_column(head, justify="left" if head in ("memory", "became") else "right")
    for row in _memory_rows(synthesis):
        memories.add_row(*row)
    console.print(memories)


assert set(_HEADS) <= set(NAMES)
