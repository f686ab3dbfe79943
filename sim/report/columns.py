"""The columns of a report's row: what each means, its unit, and how it is computed."""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA_VERSION = 5

CYCLES = (
    "compute",
    "weight_wait",
    "input_wait",
    "output_wait",
    "fill_drain",
    "vector",
    "selector",
    "control",
)
"""The exclusive kinds of cycles; every row's sum is its `cycles_total`."""


@dataclass(frozen=True)
class Column:
    """One column. Values that do not apply to a row are null."""

    name: str
    group: str
    type: str
    """string, integer, number or boolean, as JSON calls them."""
    unit: str
    meaning: str


OVER_IMAGES = ("tokens_in", "tokens_kept", "cycles")
"""Columns that have a minimum, mean and maximum over the images of a run."""


def _over_images(name: str, unit: str, meaning: str) -> tuple[Column, ...]:
    return (
        Column(f"{name}_min", "images", "integer", unit, f"least {meaning}"),
        Column(f"{name}_mean", "images", "number", unit, f"mean {meaning}"),
        Column(f"{name}_max", "images", "integer", unit, f"largest {meaning}"),
    )


COLUMNS = (
    Column("layer_id", "identity", "integer", "", "position of the row, from 0"),
    Column("block", "identity", "integer", "", "encoder block; null outside of them"),
    Column("op", "identity", "string", "", "kind of operation; `end` closes the program"),
    Column("name", "identity", "string", "", "name of the operation in the IR"),
    Column(
        "unit", "identity", "string", "",
        "where it runs: array, or the vector unit beside it",
    ),
    Column("fused_into", "identity", "string", "", "the operation whose pass does this one's work"),
    Column("heads", "identity", "integer", "", "attention heads; m, k and n are those of one head"),
    Column(
        "m", "identity", "integer", "tokens",
        "rows of the matrix product, as m, k and n are if no token is dropped",
    ),
    Column("k", "identity", "integer", "features", "its inner dimension"),
    Column("n", "identity", "integer", "features", "its columns"),
    Column(
        "tokens_in", "identity", "integer", "tokens", "tokens of the first input, of this image",
    ),
    Column(
        "tokens_kept", "identity", "integer", "tokens",
        "tokens of the result, of this image; of a token selection with its package token",
    ),
    Column("block_rows", "sparsity", "integer", "features", "output features of a weight block"),
    Column("block_cols", "sparsity", "integer", "features", "input features of a weight block"),
    Column("blocks_total", "sparsity", "integer", "blocks", "weight blocks, edge blocks included"),
    Column("blocks_kept", "sparsity", "integer", "blocks", "blocks with a weight other than zero"),
    Column(
        "block_density", "sparsity", "number", "",
        "blocks_kept / blocks_total; 1 for products of activations",
    ),
    Column(
        "tiles_total", "sparsity", "integer", "tiles",
        "rows x cols tiles of the weight operand as laid out in memory, over all heads",
    ),
    Column(
        "tiles_kept", "sparsity", "integer", "tiles",
        "tiles with a weight other than zero; the array works on these",
    ),
    Column(
        "weight_bytes", "sparsity", "integer", "bytes",
        "payload of kept tiles in the program; repeated where the tokens need several passes",
    ),
    Column(
        "metadata_bytes", "sparsity", "integer", "bytes",
        "the rest of the program: instructions, headers and indices, biases, scales, GELU table, "
        "gains and offsets, position embeddings",
    ),
    Column("compute", "cycles", "integer", "cycles", "a token enters the array"),
    Column(
        "weight_wait", "cycles", "integer", "cycles",
        "the next tile's weights are still being loaded",
    ),
    Column(
        "input_wait", "cycles", "integer", "cycles",
        "activations that the next tile needs are still to be written, or memory refuses a read",
    ),
    Column(
        "output_wait", "cycles", "integer", "cycles",
        "both accumulator banks, or all output tiles, are waiting to be written",
    ),
    Column(
        "fill_drain", "cycles", "integer", "cycles",
        "the first weights are on their way, or the last results are; of a row of the vector unit: "
        "the array waits for that unit, which waits for the array's results",
    ),
    Column(
        "vector", "cycles", "integer", "cycles",
        "the array waits while the vector unit works on this operation",
    ),
    Column(
        "selector", "cycles", "integer", "cycles",
        "the array waits while the vector unit selects tokens, or for their number",
    ),
    Column(
        "control", "cycles", "integer", "cycles",
        "instructions, biases, scales, words and layer norms' parameters are read",
    ),
    Column(
        "cycles_total", "cycles", "integer", "cycles",
        "sum of the eight kinds: the cycles that are this operation's and no other's. Rows sum to "
        "the total. Of the vector unit it is the exposed part; what the array hides is not in it",
    ),
    Column(
        "hls_cycles_estimate", "cycles", "integer", "cycles",
        "ESTIMATE, not measured, of another executor: the operation as HLS layers with the "
        "machine's multipliers and lanes, from the loops of their kernels, one layer after "
        "another; of tokens_in. docs/hls.md says what it leaves out",
    ),
    Column(
        "busy_cycles", "cycles", "integer", "cycles",
        "cycles in which one of its instructions was at work, overlapped ones included",
    ),
    Column(
        "start_cycle", "cycles", "integer", "cycle",
        "first cycle of its first instruction, from 0; operations overlap, so that spans do, too",
    ),
    Column(
        "end_cycle", "cycles", "integer", "cycle",
        "first cycle after its last instruction; the span holds cycles of other operations",
    ),
    Column("cycles_model", "prediction", "integer", "cycles", "the cycle model's cycles_total"),
    Column(
        "model_error_pct", "prediction", "number", "%",
        "100 x (cycles_model - cycles_total) / cycles_total",
    ),
    Column(
        "macs_dense", "work", "integer", "MAC",
        "heads x m x k x n, real tokens and features, of all tokens",
    ),
    Column(
        "macs_effective", "work", "integer", "MAC",
        "the same of the tokens that are left, over kept blocks only; an edge block counts its "
        "real features",
    ),
    Column("macs_skipped", "work", "integer", "MAC", "macs_dense - macs_effective"),
    Column(
        "utilization_mapping", "utilization", "number", "%",
        "100 x MACs of the tokens that are left, of all blocks / MACs of their tiles, padding "
        "included",
    ),
    Column(
        "utilization_compute", "utilization", "number", "%", "100 x compute / cycles_total",
    ),
    Column(
        "utilization_overall", "utilization", "number", "%",
        "100 x macs_effective / (rows x cols x cycles_total)",
    ),
    Column(
        "speedup_vs_dense", "utilization", "number", "",
        "the cycle model's cycles of this row with every tile and token kept / cycles_total; "
        "array only",
    ),
    Column(
        "sparse_efficiency", "utilization", "number", "",
        "speedup_vs_dense x block_density; 1 when removed blocks save all of their cycles, more "
        "when dropped tokens save some, too",
    ),
    Column(
        "bytes_act_in", "traffic", "integer", "bytes",
        "activations read from on-chip memory, whole words: a word a token and kept tile into the "
        "array; all operands in every pass of the vector unit",
    ),
    Column(
        "bytes_weight", "traffic", "integer", "bytes",
        "weight_bytes + metadata_bytes from DRAM, and keys or values from the features memory",
    ),
    Column(
        "bytes_out", "traffic", "integer", "bytes",
        "results into on-chip memory; int16 ones count two bytes",
    ),
    Column(
        "bytes_per_cycle", "traffic", "number", "bytes/cycle",
        "(weight_bytes + metadata_bytes) / cycles_total, of the mem_bytes / mem_interval that the "
        "port can bring; null where no cycle is the row's alone",
    ),
    Column(
        "ops_per_byte", "traffic", "number", "op/byte",
        "2 x macs_effective / (weight_bytes + metadata_bytes)",
    ),
    Column(
        "bound", "traffic", "string", "",
        "memory when loading the weight operand takes more cycles than compute does, else compute. "
        "Loading takes a cycle a line of min(mem_bytes, cols) bytes of the program, mem_interval "
        "cycles a beat at least, and for a tile of keys rows + cols cycles, of values rows",
    ),
    Column(
        "energy_uj", "traffic", "number", "uJ",
        "estimated from activity counts and cited energies: docs/energy.md; clock and leakage go "
        "by cycles_total",
    ),
    *_over_images("tokens_in", "tokens", "tokens_in of the images"),
    *_over_images("tokens_kept", "tokens", "tokens_kept of the images"),
    *_over_images("cycles", "cycles", "cycles_total of the images"),
    Column(
        "bit_exact", "status", "boolean", "",
        "every value that the machine wrote, of every image, equals the integer reference's",
    ),
    Column(
        "checksum", "status", "string", "",
        "CRC-32 of the result, (tokens, features) little-endian; a fused operation has its host's",
    ),
)  # fmt: skip

GROUPS = tuple(dict.fromkeys(column.group for column in COLUMNS))
