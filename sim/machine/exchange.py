"""The files through which Python and the simulated machine exchange data.

`N.program` is the program as the DRAM holds it. `N.exchange` is a turn of the host after another,
the first before the program starts; a turn is a list of records of four 32-bit words and data:

    0                                end of the turn
    1, first word, words, 0          data the host puts into activation memory
    2, first word, words, slices     data the array must have written by the next turn, in the
                                     slices of each word that the bit mask names

Both follow `$fread`: the most significant byte of a word comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from hw.artifacts import replacing
from hw.config import ArrayConfig
from hw.ir import Network
from hw.program.compiler import Program
from hw.program.isa import OPCODES
from hw.program.layout import Placement

END, LOAD, EXPECT = 0, 1, 2


@dataclass(frozen=True)
class Segment:
    """One turn of the host: tensors it loads, and tensors due by the next turn."""

    loads: tuple[str, ...]
    expects: tuple[str, ...]


def host_turns(network: Network, program: Program) -> list[Segment]:
    """What happens at each turn of the host, the first being before the start."""
    placements = program.schedule.placements
    turns: list[Segment] = [Segment((Network.INPUT,), ())]
    for step in program.schedule.steps:
        outputs = tuple(network.ops[i].output for i in step.ops)
        placed = tuple(name for name in outputs if name in placements)
        if step.on_array:
            turns[-1] = Segment(turns[-1].loads, turns[-1].expects + placed)
        elif step.instructions[0].opcode == OPCODES["HOST"]:
            turns.append(Segment(placed, ()))
    turns.append(Segment((), ()))
    return turns


def _record(file: BinaryIO, kind: int, first: int, words: NDArray[np.int8], slices: int) -> None:
    file.write(np.array([kind, first, len(words), slices], ">u4").tobytes())
    file.write(np.ascontiguousarray(words[:, ::-1]).tobytes())


def _expect(file: BinaryIO, placement: Placement, words: NDArray[np.int8], cols: int) -> None:
    """Expect a tensor, but for the slices of words that the array does not write."""
    word = words.shape[1]
    used = placement.written_features(word) - (placement.group_words - 1) * word
    full, partial = (1 << word // cols) - 1, (1 << -(-used // cols)) - 1
    if partial == full:
        _record(file, EXPECT, placement.base, words, full)
        return
    address = placement.base
    for group in words.reshape(placement.groups, placement.group_words, -1, word):
        for i, row in enumerate(group):
            _record(file, EXPECT, address, row, full if i + 1 < len(group) else partial)
            address += len(row)


def write_case(
    folder: Path,
    number: int,
    network: Network,
    program: Program,
    tensors: dict[str, NDArray[np.integer]],
) -> None:
    """Write `N.program` and `N.exchange` for one image.

    Args:
        tensors: every tensor by name, (tokens, features), from `sim.reference.execute`.
    """
    config: ArrayConfig = program.schedule.config
    placements = program.schedule.placements
    padding = {
        op.output: int(network.param(op, "table")[128]) for op in network.linears() if op.gelu
    }
    with replacing(folder / f"{number}.program") as path:
        beats = program.stream.reshape(-1, config.mem_bytes)
        path.write_bytes(np.ascontiguousarray(beats[:, ::-1]).tobytes())
    with replacing(folder / f"{number}.exchange") as path, path.open("wb") as file:
        for turn in host_turns(network, program):
            for name in turn.loads:
                words = placements[name].to_words(tensors[name], config.word_bytes)
                _record(file, LOAD, placements[name].base, words, 0)
            for name in turn.expects:
                words = placements[name].to_words(
                    tensors[name], config.word_bytes, padding.get(name, 0)
                )
                _expect(file, placements[name], words, config.cols)
            file.write(np.zeros(4, ">u4").tobytes())
