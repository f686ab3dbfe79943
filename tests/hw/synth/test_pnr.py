"""The clock that place and route finds, and the path that limits it."""

from __future__ import annotations

from typing import Any

import pytest

from hw.config import ArrayConfig
from hw.synth.pnr import SMALL, critical_path, instance, place_and_route


def step(kind: str, delay: float, start: str, end: str) -> dict[str, Any]:
    return {"type": kind, "delay": delay, "from": {"cell": start}, "to": {"cell": end}}


def test_slowest_path_is_told_from_the_others() -> None:
    fast = {"from": "posedge clk", "to": "posedge clk", "path": [step("clk-to-q", 1.0, "a", "a")]}
    pad = {"from": "<async>", "to": "posedge clk", "path": [step("routing", 99.0, "pad", "a")]}
    slow = {
        "from": "posedge clk",
        "to": "posedge clk",
        "path": [
            step("clk-to-q", 0.5, "u_core.u_a.x_FF", "u_core.u_a.x_FF"),
            step("routing", 2.0, "u_core.u_a.x_FF", "u_core.y_LUT"),
            step("logic", 0.25, "u_core.y_LUT", "u_core.y_LUT"),
            step("setup", 0.25, "u_core.y_LUT", "u_core.u_b.u_c.z_FF"),
        ],
    }
    assert critical_path({"critical_paths": [fast, pad, slow]}) == {
        "from": "u_core.u_a.x_FF",
        "to": "u_core.u_b.u_c.z_FF",
        "instances": ["u_a", "core", "u_b.u_c"],
        "logic_ns": 1.0,
        "routing_ns": 2.0,
    }


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("u_core.u_a.u_b.q_FF", "u_a.u_b"), ("u_core.q_FF", "core"), ("signature_q", "core")],
)
def test_cell_is_told_by_its_instance(cell: str, expected: str) -> None:
    assert instance(cell) == expected


@pytest.mark.slow
def test_small_core_routes() -> None:
    placed = place_and_route(ArrayConfig.from_dict(SMALL))
    assert placed["fmax_mhz"] > 10
    assert placed["critical_path"]["instances"]
