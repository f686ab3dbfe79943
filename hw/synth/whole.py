"""A whole design, module by module: `synthesize`, and its outcome from an earlier run."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from hw.artifacts import write_json
from hw.config import ArrayConfig
from hw.synth.checks import Part, problems
from hw.synth.design import Design, core_design, elaborate
from hw.synth.hierarchy import Module, instances
from hw.synth.mapping import FAMILY, Mapped, cache_folder, flow_digest, map_modules
from hw.synth.resources import Resources, count
from hw.synth.yosys import yosys_version

SCHEMA_VERSION = 1
Synthesis = dict[str, Any]
"""What `synth.json` holds."""


@dataclass(frozen=True)
class Progress:
    """A module that has been mapped."""

    module: str
    seconds: float
    """Processor time."""
    known: bool


def synthesize(
    config: ArrayConfig,
    wanted: Design | None = None,
    heard: Callable[[Progress], None] = lambda progress: None,
) -> Synthesis:
    """Synthesize the core, or another design, for the geometry `config`.

    Raises:
        UserError: when a source has an error or yosys fails.
    """
    began = time.monotonic()
    wanted = wanted or core_design(config)
    modules = elaborate(wanted)

    def done(module: Module, mapped: Mapped, known: bool) -> None:
        heard(Progress(module.kind, mapped.seconds, known))

    outcomes = map_modules(modules, done)
    parts = _parts(modules, outcomes, wanted.root)
    total = sum((part.own * part.instances for part in parts), Resources())
    synthesis = {
        "schema_version": SCHEMA_VERSION,
        "top": wanted.top,
        "family": FAMILY,
        "config": asdict(config),
        "config_digest": config.digest(),
        "parameters": wanted.parameters,
        "tools": {"yosys": yosys_version()},
        "seconds": round(time.monotonic() - began, 1),
        "processor_seconds": round(sum(mapped.seconds for mapped in outcomes.values()), 1),
        "total": asdict(total),
        "problems": problems(parts, config),
        "modules": [_entry(part, outcomes[part.name]) for part in parts],
    }
    write_json(cache_folder() / f"{_digest(wanted)}.json", synthesis)
    return synthesis


def selector_share(
    config: ArrayConfig,
    synthesis: Synthesis,
    heard: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """What token selectors add to the core, whose `synthesis` is given.

    Returns:
        `without`: the total of a core that knows no selectors; `added`: what the core has more, in
        percent of that, by resource.
    """
    without = synthesize(config, core_design(config, selectors=False), heard)["total"]
    total = synthesis["total"]
    added = {
        name: round(100 * (total[name] - number) / number, 2)
        for name, number in without.items()
        if number
    }
    return {"without": without, "added": added}


def resource_summary(config: ArrayConfig) -> Synthesis | None:
    """The core's synthesis, if it has been made for these sources and this geometry."""
    try:
        path = cache_folder() / f"{_digest(core_design(config))}.json"
        known: Synthesis = json.loads(path.read_text(encoding="utf-8"))
        return known
    except (OSError, ValueError):
        return None


def _digest(wanted: Design) -> str:
    text = json.dumps([SCHEMA_VERSION, flow_digest(), asdict(wanted)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _parts(modules: dict[str, Module], outcomes: dict[str, Mapped], root: str) -> list[Part]:
    """The modules that the design uses, the top first, then as their instances' names sort."""
    numbers = instances(modules, root)
    own = {name: count(mapped.cells) for name, mapped in outcomes.items()}

    def whole(name: str) -> Resources:
        children = modules[name].children.items()
        return sum((whole(child) * number for child, number in children), own[name])

    return [
        Part(
            name=name,
            kind=modules[name].kind,
            path=modules[name].path,
            instances=numbers[name],
            own=own[name],
            whole=whole(name),
            soft_multipliers=len(outcomes[name].soft_multipliers),
            memories=outcomes[name].memories,
        )
        for name in sorted(modules, key=lambda name: (modules[name].path, name))
        if numbers[name]
    ]


def _entry(part: Part, mapped: Mapped) -> dict[str, Any]:
    return {
        "module": part.kind,
        "first_instance": part.path,
        "instances": part.instances,
        "own": asdict(part.own),
        "with_children": asdict(part.whole),
        "multipliers": mapped.multipliers,
        "soft_multipliers": mapped.soft_multipliers,
        "memories": [asdict(memory) for memory in part.memories],
        "cells": mapped.cells,
        "seconds": mapped.seconds,
    }
