"""What a report says about the whole network, and about itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hw.ir import Network
from sim.report.columns import COLUMNS, CYCLES, SCHEMA_VERSION
from sim.report.measured import Measured
from sim.report.resources import build_resources
from sim.report.rows import SELECTORS, Row, Rows

ENERGY_NOTE = (
    "Energy is estimated from activity counts and cited energies of 40 and 45 nm technologies "
    "(docs/energy.md); it compares layers and geometries, and is no measurement of a chip."
)
_WAITS = tuple(kind for kind in CYCLES if kind != "compute")


def build_header(network: Network, measured: Measured, built: Rows) -> dict[str, Any]:
    """The header: everything that holds for the whole run; keys end in their units."""
    entry, config, rows = measured.entry, measured.config, built.rows
    total = measured.total_cycles
    seconds = total / (config.clock_mhz * 1e6)
    effective = sum(row["macs_effective"] for row in rows)
    linear = [row for row in rows if row["op"] == "linear"]
    dense = sum(row["macs_dense"] for row in rows)
    totals = [image.total_cycles for image in measured.images]
    selectors = [row["cycles_total"] for row in rows if row["name"].startswith(SELECTORS)]
    slowest = max(rows, key=lambda row: row["cycles_total"])
    info = network.info
    header: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "model": network.model,
        "weights_source": info.get("weights_source", "unknown"),
        "seed": info.get("seed"),
        "method": info.get("method"),
        "budgets": info.get("budgets"),
        "image": entry["image"],
        "images": {
            "count": len(totals),
            "cycles_min": min(totals),
            "cycles_mean": sum(totals) / len(totals),
            "cycles_max": max(totals),
        },
        "dataflow": "weight-stationary, kept blocks only",
        "config": asdict(config),
        "config_digest": config.digest(),
        "network_digest": entry["network_digest"],
        "conditions": entry["conditions"],
        "total_cycles": total,
        "cycles_model": entry["cycles_model"],
        "model_error_pct": 100 * (entry["cycles_model"] - total) / total,
        "dense_cycles": built.dense_cycles,
        "hls_cycles_estimate": sum(row["hls_cycles_estimate"] or 0 for row in rows),
        "speedup_vs_dense": built.dense_cycles / total,
        "latency_ms": 1e3 * seconds,
        "images_per_s": 1 / seconds,
        "effective_gops": 2e-9 * effective / seconds,
        "macs_dense": dense,
        "macs_effective": effective,
        "utilization_array_pct": 100 * dense / (config.pes * total),
        "utilization_effective_pct": 100 * effective / (config.pes * total),
        "utilization_linear_pct": _utilization(linear, config.pes),
        "linear_cycles_pct": _shares(linear, config.pes),
        "bottleneck": {
            "name": slowest["name"],
            "cycles_total": slowest["cycles_total"],
            "share_pct": 100 * slowest["cycles_total"] / total,
        },
        "largest_exposed": largest_exposed(rows, total),
        "vector": {
            "rows": sum(row["unit"] == "vector" for row in rows),
            "busy_cycles": sum(row["busy_cycles"] for row in rows if row["unit"] == "vector"),
            "exposed_cycles": sum(row["cycles_total"] for row in rows if row["unit"] == "vector"),
        },
        "selectors": {
            "rows": len(selectors),
            "cycles_total": sum(selectors),
            "share_pct": 100 * sum(selectors) / total,
        },
        "energy_uj": built.energy.total,
        "energy_by_part_uj": asdict(built.energy),
        "rows_fused": sum(row["fused_into"] is not None for row in rows),
        "bit_exact": entry["bit_exact"],
        "resources": build_resources(config),
        "notes": [ENERGY_NOTE],
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
    "image": {"unit": "", "meaning": "what all figures are of, but those over the images"},
    "images": {
        "unit": "cycles",
        "meaning": "how many images were simulated, each bit for bit, and their total cycles",
    },
    "selectors": {
        "unit": "cycles",
        "meaning": "sum of cycles_total over the rows of token selectors, their products included",
    },
    "latency_ms": {"unit": "ms", "meaning": "total_cycles / clock, image to result in memory"},
    "images_per_s": {"unit": "images/s", "meaning": "1 / latency"},
    "effective_gops": {"unit": "Gop/s", "meaning": "2 x macs_effective / latency"},
    "utilization_array_pct": {
        "unit": "%",
        "meaning": "100 x macs_dense / (rows x cols x total_cycles), the whole run; above 100 "
        "where removed blocks save more cycles than everything else costs",
    },
    "utilization_effective_pct": {
        "unit": "%",
        "meaning": "100 x macs_effective / (rows x cols x total_cycles), the whole run",
    },
    "utilization_linear_pct": {
        "unit": "%",
        "meaning": "100 x macs_effective / (rows x cols x cycles_total), summed over linear rows",
    },
    "largest_exposed": {
        "unit": "cycles",
        "meaning": "the kind of operation and the kind of cycles other than compute that cost "
        "most, and the row with most of them",
    },
    "vector": {
        "unit": "cycles",
        "meaning": "sums over the vector unit's rows: busy_cycles; exposed_cycles of cycles_total",
    },
    "energy_uj": {
        "unit": "uJ",
        "meaning": "energy of the whole run, sum of energy_uj over all rows",
    },
    "energy_by_part_uj": {
        "unit": "uJ",
        "meaning": "the same by part of the machine; docs/energy.md says what each counts",
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


def largest_exposed(rows: Sequence[Row], total_cycles: int) -> dict[str, Any]:
    """What costs most besides compute: operation and kind of cycles, and the row with most."""
    cost: dict[tuple[str, str], int] = {}
    for row in rows:
        for kind in _WAITS:
            key = row["op"], kind
            cost[key] = cost.get(key, 0) + row[kind]
    op, kind = max(cost, key=lambda key: cost[key])
    worst = max((row for row in rows if row["op"] == op), key=lambda row: row[kind])
    return {
        "op": op,
        "kind": kind,
        "cycles": cost[op, kind],
        "share_pct": 100 * cost[op, kind] / total_cycles,
        "worst_row": worst["name"],
        "worst_row_cycles": worst[kind],
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
