"""What a report says about the whole network, and about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hw.ir import Network
from sim.report.columns import COLUMNS, CYCLES, SCHEMA_VERSION
from sim.report.measured import Measured
from sim.report.resources import build_resources
from sim.report.rows import Row, Rows

HOST_NOTE = (
    "Host operations (LayerNorm, softmax, additions, embedding, pooling) are computed outside of "
    "the array and take no cycles here; latency and images/s leave them out."
)
ENERGY_NOTE = "Energy is not estimated yet: energy_uj is null."
_WAITS = tuple(kind for kind in CYCLES if kind != "compute")


def build_header(network: Network, measured: Measured, built: Rows) -> dict[str, Any]:
    """The header: everything that holds for the whole run; keys end in their units."""
    entry, config, rows = measured.entry, measured.config, built.rows
    total = measured.total_cycles
    seconds = total / (config.clock_mhz * 1e6)
    effective = sum(row["macs_effective"] for row in rows)
    linear = [row for row in rows if row["op"] == "linear"]
    array = [row for row in rows if row["macs_dense"]]
    slowest = max(rows, key=lambda row: row["cycles_total"])
    info = network.info
    header: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "model": network.model,
        "weights_source": info.get("weights_source", "unknown"),
        "seed": info.get("seed"),
        "method": info.get("method"),
        "budget": info.get("budget"),
        "budget_unit": info.get("unit"),
        "image": entry["image"],
        "dataflow": "weight-stationary, kept blocks only",
        "config": asdict(config),
        "config_digest": config.digest(),
        "network_digest": entry["network_digest"],
        "conditions": entry["conditions"],
        "total_cycles": total,
        "cycles_model": entry["cycles_model"],
        "model_error_pct": 100 * (entry["cycles_model"] - total) / total,
        "dense_cycles": built.dense_cycles,
        "speedup_vs_dense": built.dense_cycles / total,
        "latency_ms": 1e3 * seconds,
        "images_per_s": 1 / seconds,
        "effective_gops": 2e-9 * effective / seconds,
        "macs_dense": sum(row["macs_dense"] for row in rows),
        "macs_effective": effective,
        "utilization_linear_pct": _utilization(linear, config.pes),
        "utilization_array_pct": _utilization(array, config.pes),
        "linear_cycles_pct": _shares(linear, config.pes),
        "bottleneck": {
            "name": slowest["name"],
            "cycles_total": slowest["cycles_total"],
            "share_pct": 100 * slowest["cycles_total"] / total,
        },
        "rows_on_host": sum(row["unit"] == "host" for row in rows),
        "rows_fused": sum(row["fused_into"] is not None for row in rows),
        "bit_exact": entry["bit_exact"],
        "resources": build_resources(config),
        "notes": [HOST_NOTE, ENERGY_NOTE],
        "simulation": {
            name: entry[name] for name in ("wall_seconds", "build_seconds", "seconds", "khz")
        },
        "tools": entry["tools"],
    }
    if "warning" in info:
        header["warning"] = info["warning"]
    return header


def definitions() -> dict[str, dict[str, str]]:
    """Unit and meaning of every column and of the header's figures."""
    columns = {column.name: {"unit": column.unit, "meaning": column.meaning} for column in COLUMNS}
    return {**columns, **_HEADER_DEFINITIONS}


_HEADER_DEFINITIONS = {
    "total_cycles": {"unit": "cycles", "meaning": "sum of cycles_total over all rows"},
    "latency_ms": {"unit": "ms", "meaning": "total_cycles / clock; host operations left out"},
    "images_per_s": {"unit": "images/s", "meaning": "1 / latency"},
    "effective_gops": {"unit": "Gop/s", "meaning": "2 x macs_effective / latency"},
    "utilization_linear_pct": {
        "unit": "%",
        "meaning": "100 x macs_effective / (rows x cols x cycles_total), summed over linear rows",
    },
    "utilization_array_pct": {
        "unit": "%",
        "meaning": "the same over all rows with products, attention included",
    },
    "resources": {
        "unit": "primitives",
        "meaning": "of an UltraScale+ device, from `make synth`; of a module: all its instances, "
        "without the modules below it; bram in 36 Kbit, carry in CARRY4; null: not synthesized",
    },
    "linear_cycles_pct": {
        "unit": "%",
        "meaning": "where the cycles of linear rows go: working (utilization_linear_pct), padding "
        "(compute cycles spent on zeros inside kept tiles), and each kind of waiting; sums to 100",
    },
}


def _utilization(rows: Sequence[Row], pes: int) -> float:
    cycles = sum(row["cycles_total"] for row in rows)
    return 100 * sum(row["macs_effective"] for row in rows) / (pes * cycles)


def _shares(rows: Sequence[Row], pes: int) -> dict[str, float]:
    """Percent of the rows' cycles, by what they went to."""
    cycles = sum(row["cycles_total"] for row in rows)
    working = _utilization(rows, pes)
    compute = 100 * sum(row["compute"] for row in rows) / cycles
    waits = {kind: 100 * sum(row[kind] for row in rows) / cycles for kind in _WAITS}
    return {"working": working, "padding": compute - working, **waits}
