"""What the simulated machine takes of an FPGA, if it has been synthesized."""

from __future__ import annotations

from typing import Any

from hw.config import ArrayConfig
from hw.synth.resources import NAMES
from hw.synth.views import one_line
from hw.synth.whole import resource_summary

UNKNOWN = "not synthesized in this geometry: run `make synth` with the same settings"


def build_resources(config: ArrayConfig) -> dict[str, Any] | None:
    """The header's `resources`: totals, and a row a module; None before `make synth`."""
    synthesis = resource_summary(config)
    if synthesis is None:
        return None
    return {
        "family": synthesis["family"],
        "summary": one_line(synthesis),
        "total": synthesis["total"],
        "problems": synthesis["problems"],
        "modules": [
            {
                "module": entry["module"],
                "instances": entry["instances"],
                **{name: entry["own"][name] * entry["instances"] for name in NAMES},
            }
            for entry in synthesis["modules"]
        ],
    }


def describe(resources: dict[str, Any] | None) -> str:
    """The resources in a line."""
    return UNKNOWN if resources is None else str(resources["summary"])
