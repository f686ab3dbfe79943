"""The rows of a report: one an operation of the IR, none missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.errors import UserError
from hw.ir import ARRAY_OPS, Linear, Network, Op
from hw.program.isa import instruction_bytes
from hw.program.schedule import kept_tiles
from sim.cycles import CycleModel
from sim.report.columns import COLUMNS, CYCLES
from sim.report.measured import Measured, Step
from sim.report.work import Blocks, Product, Tiles, blocks, product, tiles

Row = dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """All rows, and what a dense network would take."""

    rows: list[Row]
    dense_cycles: int


def build_rows(network: Network, measured: Measured) -> Rows:
    """Rows in the order of the IR; a fused operation follows its host, the program's end is last.

    Raises:
        UserError: the measurement's steps are not this network's, or cycles do not add up.
    """
    model = CycleModel(network, measured.config)
    schedule = model.schedule
    kept = kept_tiles(network, schedule)
    dense = model.evaluate({name: np.ones_like(tiles) for name, tiles in kept.items()})
    names = [tuple(network.ops[index].name for index in step.ops) for step in schedule.steps]
    if names != [step.ops for step in measured.steps]:
        raise UserError(
            "cycles.json: its steps are not those of the network; run `python -m sim run` again"
        )
    rows: list[Row] = []
    for planned, step in zip(schedule.steps, measured.steps, strict=True):
        ops = [network.ops[index] for index in planned.ops]
        if not step.on_array:
            rows += _host_rows(network, measured, ops, step)
            continue
        (op,) = ops
        shape = product(network, op)
        of_op = tiles(planned, shape.heads, kept.get(op.name), measured.config)
        row = _identity(network, op) | _cycles(step) | {"unit": "array", "bit_exact": True}
        row |= _sparsity(network, op, shape, of_op)
        row |= _utilization(row, of_op, measured, dense.by_op[op.name])
        row |= _traffic(row, of_op)
        rows.append(row | {"checksum": measured.checksums[op.name]})
        if isinstance(op, Linear) and op.gelu:
            rows.append(_gelu_row(rows[-1]))
    rows = [_completed(row, number) for number, row in enumerate(rows)]
    _check(rows, measured.total_cycles)
    return Rows(rows, dense.total)


def _completed(row: Row, number: int) -> Row:
    """The row with all columns in order; what it lacks does not apply to it."""
    row = {"layer_id": number, **row}
    return {column.name: row.get(column.name) for column in COLUMNS}


def _identity(network: Network, op: Op) -> Row:
    source, target = network.tensors[op.inputs[0]], network.tensors[op.output]
    row: Row = {
        "block": op.block if op.block >= 0 else None,
        "op": op.kind,
        "name": op.name,
        "tokens_in": source.tokens,
        "tokens_kept": target.tokens,
    }
    if isinstance(op, ARRAY_OPS):
        shape = product(network, op)
        heads = None if isinstance(op, Linear) else shape.heads
        row |= {"heads": heads, "m": shape.m, "k": shape.k, "n": shape.n}
    return row


def _cycles(step: Step) -> Row:
    error = None
    if step.cycles:
        error = 100 * (step.cycles_model - step.cycles) / step.cycles
    return {
        **{kind: step.kinds.get(kind, 0) for kind in CYCLES},
        "cycles_total": step.cycles,
        "start_cycle": step.start_cycle,
        "end_cycle": step.end_cycle,
        "cycles_model": step.cycles_model,
        "model_error_pct": error,
    }


def _no_cycles(at: int) -> Row:
    return _cycles(Step((), False, at, at, {}, 0))


def _no_work() -> Row:
    return {"macs_dense": 0, "macs_effective": 0, "macs_skipped": 0}


def _sparsity(network: Network, op: Op, shape: Product, of_op: Tiles) -> Row:
    row: Row = {
        "block_density": 1.0,
        "tiles_total": of_op.total,
        "tiles_kept": of_op.kept,
        "weight_bytes": of_op.weight_bytes,
        "metadata_bytes": of_op.metadata_bytes,
    }
    effective = shape.macs
    if isinstance(op, Linear):
        found: Blocks = blocks(network, op)
        row |= {
            "block_rows": found.shape[0],
            "block_cols": found.shape[1],
            "blocks_total": found.total,
            "blocks_kept": found.kept,
            "block_density": found.kept / found.total,
        }
        effective = shape.m * found.weights
    return row | {
        "macs_dense": shape.macs,
        "macs_effective": effective,
        "macs_skipped": shape.macs - effective,
    }


def _utilization(row: Row, of_op: Tiles, measured: Measured, dense_cycles: int) -> Row:
    total = row["cycles_total"]
    speedup = dense_cycles / total
    return {
        "utilization_mapping": 100 * row["macs_dense"] / of_op.macs,
        "utilization_compute": 100 * row["compute"] / total,
        "utilization_overall": 100 * row["macs_effective"] / (measured.config.pes * total),
        "speedup_vs_dense": speedup,
        "sparse_efficiency": speedup * row["block_density"],
    }


def _traffic(row: Row, of_op: Tiles) -> Row:
    streamed = of_op.weight_bytes + of_op.metadata_bytes
    return {
        "bytes_act_in": of_op.act_bytes,
        "bytes_weight": streamed + of_op.operand_bytes,
        "bytes_out": of_op.out_bytes,
        "bytes_per_cycle": streamed / row["cycles_total"],
        "ops_per_byte": 2 * row["macs_effective"] / streamed,
        "bound": "memory" if of_op.load_cycles > row["compute"] else "compute",
    }


def _host_rows(network: Network, measured: Measured, ops: list[Op], step: Step) -> list[Row]:
    """Rows of neighbouring host operations, or of the program's end, which has none."""
    handover = _cycles(step) | {"metadata_bytes": instruction_bytes(measured.config)} | _no_work()
    if not ops:
        return [{"op": "end", "name": "end", "unit": "array", **handover}]
    rows = [
        _identity(network, op)
        | {"unit": "host", "checksum": measured.checksums[op.name]}
        | _no_cycles(step.end_cycle)
        | _no_work()
        for op in ops
    ]
    rows[0] |= handover
    return rows


def _gelu_row(host: Row) -> Row:
    """GELU is a table in the output stage: it has a row, and no cycles of its own."""
    return {
        "block": host["block"],
        "op": "gelu",
        "name": f"{host['name'].rpartition('.')[0]}.act".lstrip("."),
        "unit": "array",
        "fused_into": host["name"],
        "tokens_in": host["tokens_kept"],
        "tokens_kept": host["tokens_kept"],
        **_no_cycles(host["end_cycle"]),
        **_no_work(),
        "bit_exact": True,
        "checksum": host["checksum"],
    }


def _check(rows: list[Row], total_cycles: int) -> None:
    """Kinds of cycles must sum to every row's total, and rows to the network's."""
    for row in rows:
        if sum(row[kind] for kind in CYCLES) != row["cycles_total"]:
            raise UserError(
                f"cycles.json: the kinds of {row['name']} sum to "
                f"{sum(row[kind] for kind in CYCLES)} cycles, expected {row['cycles_total']}; "
                "run `python -m sim run` again"
            )
    found = sum(row["cycles_total"] for row in rows)
    if found != total_cycles:
        raise UserError(
            f"cycles.json: the rows sum to {found} cycles, expected {total_cycles}; "
            "run `python -m sim run` again"
        )
