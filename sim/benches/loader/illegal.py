"""Instructions that the loader must refuse."""

from __future__ import annotations

from dataclasses import replace

from hw.config import ArrayConfig
from hw.program.isa import MODES, OPCODES, Instruction


def illegal_instructions(config: ArrayConfig) -> dict[str, Instruction]:
    """By what is wrong with them; everything else is right."""
    depth = config.acc_depth
    stream = Instruction(OPCODES["MATMUL"], tokens=depth, tiles=1)
    memory = replace(stream, mode=MODES["ROWS"], depth=1, valid=1)
    add, norm, softmax, mean, store, score = (
        Instruction(OPCODES[name], tokens=depth, rows=1, valid=1)
        for name in ("ADD", "LAYERNORM", "SOFTMAX", "MEAN", "STORE", "SCORE")
    )
    found = {
        "opcode behind the last": replace(add, opcode=max(OPCODES.values()) + 1),
        "opcode 255": replace(add, opcode=255),
        "matmul without tokens": replace(stream, tokens=0),
        "matmul of too many tokens": replace(stream, tokens=depth + 1),
        "matmul without tiles": replace(stream, tiles=0),
        "matmul of mode 3": replace(memory, mode=3),
        "matmul without depth": replace(memory, depth=0),
        "matmul without valid tokens": replace(memory, valid=0),
        "columns without depth": replace(memory, mode=MODES["COLUMNS"], depth=0),
        "load of nothing": Instruction(OPCODES["LOAD"]),
        "tokens behind the token state": replace(add, first_token=1),
        "first token that wraps around": replace(add, tokens=1, first_token=0xFFFF),
        "norm of too many rows": replace(norm, rows=config.norm_rows + 1),
        "live tokens before a score": replace(add, live=1),
        "matmul of live tokens before a score": replace(stream, live=1),
        "score of too many tokens": replace(score, tokens=depth + 1),
        "selection without a score": Instruction(OPCODES["SELECT"], tokens=1, rows=1, valid=1),
    }
    for name, legal in {
        "add": add,
        "norm": norm,
        "softmax": softmax,
        "mean": mean,
        "store": store,
        "score": score,
    }.items():
        found[f"{name} without tokens"] = replace(legal, tokens=0)
        found[f"{name} without rows"] = replace(legal, rows=0)
    return found
