"""Streams from a memory that stalls, fails or falls silent, to a consumer that stalls."""

from __future__ import annotations

from typing import Any

import cocotb

from sim.benches.common.check import check
from sim.benches.fetch import TIMEOUT
from sim.benches.fetch.memory import Faults, Stress
from sim.benches.fetch.stream import NO_ERRORS, Bench, Stream, errors

BUS_ERROR, SILENT = (1, 0), (0, 1)


async def stream_all(dut: Any, stress: Stress) -> None:
    """One stream after the other, without a reset between them."""
    bench = Bench(dut, stress)
    await bench.begin()
    for number, stream in enumerate(bench.streams):
        await bench.consumer.run(number, stream, bench.memory)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def fast_memory_and_consumer(dut: Any) -> None:
    """Nothing stalls."""
    await stream_all(dut, Stress())


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def memory_stalls(dut: Any) -> None:
    """Addresses and beats wait at random."""
    await stream_all(dut, Stress(memory_stalls=0.5, latency=12, consumer_stalls=0.1))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def consumer_fills_the_fifo(dut: Any) -> None:
    """The consumer is slow and rests: what it leaves must fit into the FIFO."""
    await stream_all(dut, Stress(latency=1, consumer_stalls=0.6, rests=True))


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def pieces_follow_without_a_gap(dut: Any) -> None:
    """The first beat is taken `latency` + 2 cycles after the start, then one in each cycle."""
    latency = 2
    bench = Bench(dut, Stress(latency=latency))
    await bench.begin()
    for number, stream in enumerate(bench.streams):
        first = bench.cycles.count + latency + 2
        await bench.consumer.run(number, stream, bench.memory)
        expected = list(range(first, first + stream.beats))
        check(f"cycles of the beats[stream {number}]", expected, bench.consumer.taken, first)


async def take_until(bench: Bench, stream: Stream, raised: tuple[int, int]) -> int:
    """Take beats until an error is raised, in the next cycle; returns its cycle."""
    while errors(bench.dut) == NO_ERRORS:
        if len(bench.consumer.taken) < stream.beats:
            await bench.consumer.take(0, stream)
        else:
            await bench.cycles.start()
    cycle = bench.cycles.count
    check("(bus_error, silent)[behind the fault]", raised, errors(bench.dut), cycle)
    return cycle


async def fail_one_beat(dut: Any, faults: Faults, beat: int) -> None:
    """The error rises in the cycle after the beat, stays, and falls with the next start."""
    bench = Bench(dut, Stress())
    bench.memory.faults = faults
    await bench.begin()
    stream = bench.streams[4]
    await bench.consumer.start(stream)
    await take_until(bench, stream, BUS_ERROR)
    check("beats sent[when the error rises]", beat + 1, bench.memory.sent, bench.cycles.count)
    bench.memory.faults = Faults()
    while len(bench.consumer.taken) < stream.beats:
        await bench.consumer.take(0, stream)
    check("(bus_error, silent)[later]", BUS_ERROR, errors(dut), bench.cycles.count)
    await bench.consumer.run(1, bench.streams[3], bench.memory)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def error_response_is_a_bus_error(dut: Any) -> None:
    await fail_one_beat(dut, Faults(failing_beat=13), 13)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def early_end_of_burst_is_a_bus_error(dut: Any) -> None:
    burst = Bench(dut, Stress()).config.burst_beats
    await fail_one_beat(dut, Faults(misframed_beat=burst), burst)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def missing_end_of_burst_is_a_bus_error(dut: Any) -> None:
    burst = Bench(dut, Stress()).config.burst_beats
    await fail_one_beat(dut, Faults(misframed_beat=2 * burst - 1), 2 * burst - 1)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def missing_end_of_short_burst_is_a_bus_error(dut: Any) -> None:
    bench = Bench(dut, Stress())
    await bench.begin()
    stream = bench.streams[3]
    bench.memory.faults = Faults(misframed_beat=stream.beats - 1)
    await bench.consumer.start(stream)
    await take_until(bench, stream, BUS_ERROR)
    check("beats sent", stream.beats, bench.memory.sent, bench.cycles.count)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def unasked_beat_is_a_bus_error(dut: Any) -> None:
    """Though it ends no burst, as none should; it does not enter the FIFO either."""
    bench = Bench(dut, Stress())
    for port in ("start_i", "stop_i", "arready_i", "beat_pop_i", "rresp_i"):
        getattr(dut, port).value = 0
    await bench.cycles.reset()
    dut.rvalid_i.value = 1
    dut.rlast_i.value = int(bench.config.burst_beats == 1)
    await bench.cycles.start()
    dut.rvalid_i.value = 0
    await bench.cycles.settle()
    check("(bus_error, silent)", BUS_ERROR, errors(dut), bench.cycles.count)
    check("beat_valid", 0, int(dut.beat_valid_o.value), bench.cycles.count)


async def fall_silent(dut: Any, faults: Faults) -> Bench:
    """The error rises when the given number of cycles has passed since the last progress."""
    bench = Bench(dut, Stress())
    bench.memory.faults = faults
    await bench.begin()
    started = bench.cycles.count
    stream = bench.streams[4]
    await bench.consumer.start(stream)
    cycle = await take_until(bench, stream, SILENT)
    quiet = max(bench.memory.progress, started) + 1  # first cycle in which nothing came
    check("cycle of the error", quiet + TIMEOUT, cycle, cycle)
    return bench


@cocotb.test(timeout_time=100, timeout_unit="us")
async def missing_beats_are_noticed(dut: Any) -> None:
    """The next start forgets it."""
    bench = await fall_silent(dut, Faults(last_beat=21))
    check("an address waits", False, bench.memory.address_waits, bench.cycles.count)
    bench.memory.faults = Faults()
    await bench.consumer.run(1, bench.streams[3], bench.memory)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def untaken_address_is_noticed(dut: Any) -> None:
    await fall_silent(dut, Faults(deaf=True))


@cocotb.test(timeout_time=100, timeout_unit="us")
async def resting_consumer_is_no_silence(dut: Any) -> None:
    """A full FIFO asks for nothing, so nobody owes anything."""
    bench = Bench(dut, Stress())
    await bench.begin()
    stream = bench.streams[4]
    await bench.consumer.start(stream)
    for _ in range(3 * TIMEOUT + bench.config.fifo_beats):
        await bench.cycles.start()
    check("(bus_error, silent)", NO_ERRORS, errors(dut), bench.cycles.count)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def stop_ends_requests(dut: Any) -> None:
    """Only the address that waits still goes out; beats that were asked for arrive."""
    bench = Bench(dut, Stress(memory_stalls=0.5))
    await bench.begin()
    stream = bench.streams[4]
    await bench.consumer.start(stream)
    while not (len(bench.consumer.taken) > 20 and bench.memory.address_waits):
        await bench.consumer.take(0, stream)
    asked = bench.memory.requested
    dut.stop_i.value = 1
    for _ in range(4 * bench.config.fifo_beats):
        await bench.consumer.take(0, stream)
    expected = asked + bench.config.burst_beats
    check("beats asked for", expected, bench.memory.requested, bench.cycles.count)
    check("beats taken", bench.memory.requested, len(bench.consumer.taken), bench.cycles.count)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def restart_drops_beats_of_the_former_stream(dut: Any) -> None:
    """A stream that is stopped in its middle owes beats; the next stream gets its own."""
    bench = Bench(dut, Stress(latency=9))
    await bench.begin()
    stream = bench.streams[4]
    await bench.consumer.start(stream)
    while len(bench.consumer.taken) < 5:
        await bench.consumer.take(0, stream)
    owed = bench.memory.requested - bench.memory.sent
    check("beats are owed", True, owed > 0, bench.cycles.count)
    dut.stop_i.value = 1
    await bench.cycles.start()
    await bench.consumer.start(bench.streams[3])
    dut.stop_i.value = 0
    while len(bench.consumer.taken) < bench.streams[3].beats:
        await bench.consumer.take(1, bench.streams[3])
    check("(bus_error, silent)", NO_ERRORS, errors(dut), bench.cycles.count)
