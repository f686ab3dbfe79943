"""The rows of a report: one an operation of the IR, none missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import ARRAY_OPS, Linear, Network, Op
from hw.program.isa import Instruction
from hw.program.schedule import kept_tiles
from sim.activity import END, Activity, operation_activities
from sim.cycles import CycleModel
from sim.energy import Energy, energy
from sim.live import LiveProgram, tensor_tokens
from sim.report.columns import COLUMNS, CYCLES
from sim.report.measured import Measured, Operation
from sim.report.work import Blocks, Tiles, blocks, tiles
from sim.work import Product, product

Row = dict[str, Any]
SELECTORS = "selectors."
"""What the names of a token selector's operations start with."""


@dataclass(frozen=True)
class Rows:
    """All rows, what a dense network would take, and where the energy goes."""

    rows: list[Row]
    dense_cycles: int
    energy: Energy


def build_rows(network: Network, measured: Measured) -> Rows:
    """Rows in the order of the IR; a fused operation follows its host, the program's end is last.

    Raises:
        UserError: the measurement's operations are not this network's, or cycles do not add up.
    """
    from hw.hls.estimate import estimate_cycles  # loads hls4ml, which takes a second

    config = measured.config
    model = CycleModel(network, config)
    schedule = model.schedule
    kept = kept_tiles(network, schedule)
    dense = model.evaluate({name: np.ones_like(tiles) for name, tiles in kept.items()})
    live = measured.images[0].live
    activities = operation_activities(network, schedule, kept, live)
    products: dict[str, list[Instruction]] = {op.name: [] for op in network.ops}
    taken = LiveProgram(network, schedule).instructions(live)
    for entry, instruction in zip(schedule.entries, taken, strict=True):
        if entry.op is not None and instruction.is_matmul:
            products[network.ops[entry.op].name].append(instruction)
    tokens = [tensor_tokens(network, image.live) for image in measured.images]
    hls = estimate_cycles(network, config, tokens[0])
    if [op.name for op in measured.operations] != [*products, END]:
        raise UserError(
            "cycles.json: its operations are not those of the network; "
            "run `python -m sim run` again"
        )
    rows: list[Row] = []
    for op, found in zip([*network.ops, None], measured.operations, strict=True):
        done = activities[found.name]
        row = _cycles(found) | {"unit": found.unit, "bit_exact": True} | _no_work()
        row |= _over("cycles", [image.cycles[found.name] for image in measured.images])
        row |= _traffic(done, found.cycles)
        row["energy_uj"] = energy(done, found.cycles, config).total
        if op is None:
            rows.append(row | {"op": END, "name": END})
            continue
        row |= _identity(network, op) | {"checksum": measured.checksums[op.name]}
        row |= _tokens(op, tokens) | {"hls_cycles_estimate": hls[op.name]}
        if isinstance(op, ARRAY_OPS):
            shape = product(network, op, row["tokens_in"])
            of_op = tiles(
                products[op.name], shape.heads, kept.get(op.name), done.program_bytes, config
            )
            row |= _sparsity(network, op, shape, of_op)
            mapping = 100 * shape.macs / of_op.macs
            row |= _utilization(row, mapping, config, dense.by_op[op.name])
            row |= _bound(row, of_op, done)
        rows.append(row)
        if isinstance(op, Linear) and op.gelu:
            rows.append(_table_row(network, op, rows[-1]))
    rows = [_completed(row, number) for number, row in enumerate(rows)]
    _check(rows, measured.total_cycles)
    everything = sum(activities.values(), Activity())
    return Rows(rows, dense.total, energy(everything, measured.total_cycles, config))


def _completed(row: Row, number: int) -> Row:
    """The row with all columns in order; what it lacks does not apply to it."""
    row = {"layer_id": number, **row}
    return {column.name: row.get(column.name) for column in COLUMNS}


def _over(name: str, values: Sequence[int]) -> Row:
    """A figure over the images."""
    mean = sum(values) / len(values)
    return {f"{name}_min": min(values), f"{name}_mean": mean, f"{name}_max": max(values)}


def _tokens(op: Op, images: Sequence[Mapping[str, int]]) -> Row:
    """Tokens of an operation, of the first image and over all.

    Args:
        images: tokens of every tensor, an entry an image.
    """
    row: Row = {}
    for name, tensor in (("tokens_in", op.inputs[0]), ("tokens_kept", op.output)):
        values = [tokens[tensor] for tokens in images]
        row |= {name: values[0], **_over(name, values)}
    return row


def _identity(network: Network, op: Op) -> Row:
    row: Row = {"block": op.block if op.block >= 0 else None, "op": op.kind, "name": op.name}
    if isinstance(op, ARRAY_OPS):
        shape = product(network, op)
        heads = None if isinstance(op, Linear) else shape.heads
        row |= {"heads": heads, "m": shape.m, "k": shape.k, "n": shape.n}
    return row


def _cycles(found: Operation) -> Row:
    error = None
    if found.cycles:
        error = 100 * (found.cycles_model - found.cycles) / found.cycles
    return {
        **{kind: found.kinds.get(kind, 0) for kind in CYCLES},
        "cycles_total": found.cycles,
        "busy_cycles": found.busy,
        "start_cycle": found.start_cycle,
        "end_cycle": found.end_cycle,
        "cycles_model": found.cycles_model,
        "model_error_pct": error,
    }


def _no_work() -> Row:
    return {"macs_dense": 0, "macs_effective": 0, "macs_skipped": 0}


def _sparsity(network: Network, op: Op, shape: Product, of_op: Tiles) -> Row:
    row: Row = {
        "block_density": 1.0,
        "tiles_total": of_op.total,
        "tiles_kept": of_op.kept,
    }
    dense, effective = product(network, op).macs, shape.macs
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
        "macs_dense": dense,
        "macs_effective": effective,
        "macs_skipped": dense - effective,
    }


def _utilization(row: Row, mapping: float, config: ArrayConfig, dense_cycles: int) -> Row:
    total = row["cycles_total"]
    if not total:
        return {"utilization_mapping": mapping}
    speedup = dense_cycles / total
    return {
        "utilization_mapping": mapping,
        "utilization_compute": 100 * row["compute"] / total,
        "utilization_overall": 100 * row["macs_effective"] / (config.pes * total),
        "speedup_vs_dense": speedup,
        "sparse_efficiency": speedup * row["block_density"],
    }


def _traffic(done: Activity, cycles: int) -> Row:
    return {
        "weight_bytes": done.weight_bytes,
        "metadata_bytes": done.metadata_bytes,
        "bytes_act_in": done.token_bytes,
        "bytes_weight": done.program_bytes + done.operand_read // 8,
        "bytes_out": done.written_bytes,
        "bytes_per_cycle": done.program_bytes / cycles if cycles else None,
    }


def _bound(row: Row, of_op: Tiles, done: Activity) -> Row:
    return {
        "ops_per_byte": 2 * row["macs_effective"] / done.program_bytes,
        "bound": "memory" if of_op.load_cycles > row["compute"] else "compute",
    }


def _table_row(network: Network, op: Linear, host: Row) -> Row:
    """A table in the output stage: it has a row, and no cycles of its own.

    It is of the GELU, but where its results have 16 bits: there of a selector's sigmoid.
    """
    selector = op.name.startswith(SELECTORS)
    sigmoid = network.tensors[op.output].bits == 16
    return {
        "block": host["block"],
        "op": "sigmoid" if sigmoid else "gelu",
        "name": f"{op.name if selector else op.name.rpartition('.')[0]}.act".lstrip("."),
        "unit": "array",
        "fused_into": host["name"],
        "tokens_in": host["tokens_kept"],
        "tokens_kept": host["tokens_kept"],
        **{
            f"{name}_{figure}": host[f"tokens_kept_{figure}"]
            for name in ("tokens_in", "tokens_kept")
            for figure in ("min", "mean", "max")
        },
        **_over("cycles", [0]),
        **_cycles(Operation("", "array", {}, 0, 0, host["end_cycle"], host["end_cycle"], 0)),
        **_no_work(),
        "energy_uj": 0.0,
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
