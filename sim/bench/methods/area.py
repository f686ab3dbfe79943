"""What the units take of an UltraScale+ device."""

from __future__ import annotations

from hw.config import ArrayConfig
from hw.synth.design import design
from hw.synth.resources import Resources
from hw.synth.whole import synthesize
from sim.bench.methods.units import UNITS

ROM_FILE = "roms.sv"


def unit_resources(name: str) -> Resources:
    """Synthesize the unit `name` of `UNITS` with yosys, or remember what it came to.

    Raises:
        UserError: when yosys fails.
    """
    unit = UNITS[name]
    sources = {path.name: path.read_text() for path in unit.sources}
    if unit.roms:
        sources[ROM_FILE] = unit.rom_source()
    synthesis = synthesize(ArrayConfig(), design(sources, unit.top, unit.parameters))
    return Resources(**synthesis["total"])
