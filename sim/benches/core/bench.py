"""A small random network, image to logits, on cocotbext-axi's memory and the simulated DRAM."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np

from hw.ir import Network
from hw.program.compiler import Program, compile_network
from sim.benches.axi.memories import Bytes, DramSettings, run_on_axi_ram, run_on_dram
from sim.benches.common.check import check, check_array
from sim.benches.common.cycles import Cycles
from sim.benches.common.settings import Settings
from sim.benches.core import MEMORY_BYTES
from sim.benches.random_network import Shape, random_network
from sim.machine.exchange import result_values

PAGE = 4096


class Run:
    """The core with a program and an image; runs of it are alike but for the memory."""

    def __init__(self, dut: Any) -> None:
        settings = Settings.from_env()
        config = settings.config
        shape = Shape(block=(config.cols, config.rows))
        self.network, self.tensors = random_network(shape, settings.seed)
        self.program: Program = compile_network(self.network, config)
        self.dut = dut
        self.cycles = Cycles(dut)
        self.done_cycles = 0
        size = -(-self.program.dram_bytes // PAGE) * PAGE
        check("memory suffices", True, size <= MEMORY_BYTES, 0)
        self.data: Bytes = np.zeros(size, np.uint8)
        patches = self.tensors[Network.INPUT].astype(np.int8)
        record = self.program.image_record(patches, Network.INPUT)
        self.data[: record.size] = record
        base = self.program.base
        self.data[base : base + self.program.stream.size] = self.program.stream

    async def run(self) -> None:
        """Start and wait until `done` rises."""
        dut, program = self.dut, self.program
        dut.image_base_i.value = 0
        dut.image_beats_i.value = program.image_beats
        dut.prog_base_i.value = program.base
        dut.prog_beats_i.value = program.beats
        dut.start_i.value = 1
        first = self.cycles.count
        await self.cycles.start()
        dut.start_i.value = 0
        while not int(dut.done_o.value):
            await self.cycles.start()
        self.done_cycles = self.cycles.count - first
        check("error", 0, int(dut.error_o.value), self.cycles.count)

    def check_logits(self, memory: str, stored: Bytes) -> None:
        name = self.network.output
        start = self.program.result_base
        actual = result_values(stored[start:].tobytes(), self.network, self.program)
        axes = ("token", "feature")
        expected = self.tensors[name]
        check_array(f"{name} in {memory}", "", axes, expected, actual, self.cycles.count)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def same_logits_and_cycles_from_both_memories(dut: Any) -> None:
    """Every handshake is in the same cycle, and so is the end."""
    dut.start_i.value = 0
    run = Run(dut)
    outside, stored = await run_on_axi_ram(dut, run.cycles, run.data, run.run)
    run.check_logits("AxiRam", stored)
    done, latency = run.done_cycles, outside.read_latency
    inside, stored = await run_on_dram(
        dut, run.cycles, run.data, run.run, DramSettings(latency=latency)
    )
    run.check_logits("dram", stored)
    check("cycles until done", done, run.done_cycles, run.cycles.count)
    for name in ("read_beat", "write_last", "write_done"):
        expected, actual = getattr(outside, name), getattr(inside, name)
        check(f"cycles of {name}", expected, actual, run.cycles.count)
