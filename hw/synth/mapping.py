"""Maps single modules to UltraScale+ primitives, each kind once, and remembers the outcome."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import hw
from hw.artifacts import write_json
from hw.errors import UserError
from hw.synth.hierarchy import Module, standalone
from hw.synth.memories import Memory, read_memories
from hw.synth.yosys import run_yosys, yosys_version

FAMILY = "xcup"
_FLOW = f"synth_xilinx -family {FAMILY} -noiopad -noclkbuf"
_BEFORE = "t:$mul t:$macc t:$macc_v2 t:$div t:$mod t:$divfloor t:$modfloor t:$pow"
_LIBRARIES = (
    "read_verilog -lib -specify +/xilinx/cells_sim.v",
    "read_verilog -lib +/xilinx/cells_xtra.v",
    "design -save libraries",
)
_STEPS = (
    "design -load libraries",
    "read_rtlil {folder}/module.il",
    "hierarchy -check -top {name}",
    f"{_FLOW} -run prepare:map_dsp",
    f"tee -o {{folder}}/multipliers select -list {_BEFORE}",
    f"{_FLOW} -run map_dsp:coarse",
    f"tee -o {{folder}}/soft select -list {_BEFORE}",
    f"{_FLOW} -run coarse:map_memory",
    "tee -q -o {folder}/memories dump t:$mem_v2",
    f"tee -o {{folder}}/mapped {_FLOW} -run map_memory:map_ffram",
    f"{_FLOW} -run map_ffram:check",
    "tee -q -o {folder}/cells stat -json",
)
"""A module at a time: other modules are black boxes to it."""
_MEMORY_STEPS = _STEPS[8:10]
"""Seconds that modules without a memory need not spend."""


@dataclass(frozen=True)
class Mapped:
    """What one module became, without the modules below it."""

    cells: dict[str, int]
    """Primitives by type."""
    multipliers: int
    """Multipliers and dividers in the RTL."""
    soft_multipliers: list[str]
    """Those of them that are left to look-up tables."""
    memories: list[Memory]
    seconds: float


def cache_folder() -> Path:
    """Where outcomes are kept: `synth/` beside the built simulators."""
    root = Path(hw.__file__).parents[1] / "build"
    cache = os.environ.get("BLOCKVIT_CACHE")
    return (Path(cache) if cache else root) / "synth"


def flow_digest() -> str:
    """Changes with yosys' version and with the commands it gets."""
    text = "\n".join((yosys_version(), *_LIBRARIES, *_STEPS))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def map_modules(
    modules: dict[str, Module], done: Callable[[Module, Mapped, bool], None]
) -> dict[str, Mapped]:
    """Map every module, on all processors; outcomes by name.

    `done` hears of each as it is there, and whether it was known from an earlier run.

    Raises:
        UserError: when yosys fails.
    """
    outcomes: dict[str, Mapped] = {}
    wanted = []
    for module in modules.values():
        known = _known(module)
        if known is None:
            wanted.append(module)
        else:
            outcomes[module.name] = known
            done(module, known, True)

    def finished(module: Module, mapped: Mapped) -> None:
        outcomes[module.name] = mapped
        write_json(_path(module), asdict(mapped))
        done(module, mapped, False)

    batches = _batches(wanted, os.cpu_count() or 1)
    with ThreadPoolExecutor(max(len(batches), 1)) as pool:
        for result in [pool.submit(_map_batch, batch, modules, finished) for batch in batches]:
            result.result()
    return outcomes


def _map_batch(
    batch: Sequence[Module],
    modules: dict[str, Module],
    finished: Callable[[Module, Mapped], None],
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        done: list[Module] = []
        commands = [*_LIBRARIES, "#libraries"]
        for number, module in enumerate(batch):
            place = folder / str(number)
            place.mkdir()
            (place / "module.il").write_text(standalone(module, modules))
            for step in _STEPS:
                if module.has_memory or step not in _MEMORY_STEPS:
                    commands.append(step.format(folder=number, name=module.name))
            commands.append(f"#{number}")

        def marked(name: str, seconds: float) -> None:
            if name.isdecimal():
                module = batch[int(name)]
                done.append(module)
                finished(module, _read(folder / name, module, seconds))

        try:
            run_yosys(commands, folder, "yosys", marked)
        except UserError as error:
            raise UserError(f"{batch[len(done)].kind}: {error}") from error


def _read(folder: Path, module: Module, seconds: float) -> Mapped:
    stat = json.loads((folder / "cells").read_text())
    cells = stat["modules"][module.name]["num_cells_by_type"]
    return Mapped(
        cells={kind: n for kind, n in cells.items() if f"\\{kind}" not in module.children},
        multipliers=len((folder / "multipliers").read_text().split()),
        soft_multipliers=[line.partition("/")[2] for line in (folder / "soft").read_text().split()],
        memories=read_memories(
            module.name, (folder / "memories").read_text(), (folder / "mapped").read_text()
        )
        if module.has_memory
        else [],
        seconds=round(seconds, 1),
    )


def _path(module: Module) -> Path:
    return cache_folder() / flow_digest() / f"{module.kind}-{module.digest}.json"


def _known(module: Module) -> Mapped | None:
    try:
        fields: dict[str, Any] = json.loads(_path(module).read_text())
        memories = [Memory(**memory) for memory in fields.pop("memories")]
        return Mapped(memories=memories, **fields)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _batches(modules: Sequence[Module], number: int) -> list[list[Module]]:
    """Shares of about the same size of text, big modules first."""
    batches: list[list[Module]] = [[] for _ in range(number)]
    sizes = [0] * number
    for module in sorted(modules, key=lambda module: len(module.body), reverse=True):
        smallest = sizes.index(min(sizes))
        batches[smallest].append(module)
        sizes[smallest] += len(module.body)
    return [batch for batch in batches if batch]
