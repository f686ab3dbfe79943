"""Words to a memory that stalls, fails or falls silent."""

from __future__ import annotations

from typing import Any

import cocotb

from sim.benches.common.check import check
from sim.benches.store import TIMEOUT
from sim.benches.store.memory import Faults, Stress
from sim.benches.store.producer import MOST_OWED, NO_ERRORS, Producer

WORDS = 300
BUS_ERROR, SILENT = (1, 0), (0, 1)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def words_follow_without_a_bubble(dut: Any) -> None:
    """A word taken in cycle t has its last beat in t + N, where the next is taken."""
    producer = Producer(dut, Stress(latency=5))
    await producer.begin()
    first = producer.cycles.count
    await producer.store(WORDS)
    taken = [first + producer.beats * word for word in range(WORDS)]
    check("cycles of the words", taken, producer.taken, first)
    filled = [cycle + producer.beats for cycle in taken]
    check("cycles of their last beats", filled, producer.memory.filled, first)
    check("busy falls", filled[-1] + 5 + 1, producer.cycles.count, first)
    check("(bus_error, silent)", NO_ERRORS, producer.errors(), first)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def memory_stalls(dut: Any) -> None:
    """Addresses, beats and responses wait at random, and so does the producer."""
    producer = Producer(dut, Stress(memory_stalls=0.5, latency=7, producer_rests=0.3))
    await producer.begin()
    await producer.store(WORDS)
    check("(bus_error, silent)", NO_ERRORS, producer.errors(), producer.cycles.count)


@cocotb.test(timeout_time=200, timeout_unit="us")
async def slow_producer(dut: Any) -> None:
    """The unit is idle in between: every word is answered before the next comes."""
    producer = Producer(dut, Stress(latency=1, producer_rests=0.9))
    await producer.begin()
    await producer.store(WORDS // 3)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def late_responses_fill_the_counter(dut: Any) -> None:
    """With responses late enough no more words are taken; none is lost."""
    latency = 300 * Producer(dut, Stress()).beats
    producer = Producer(dut, Stress(latency=latency))
    await producer.begin()
    for _ in range(latency):
        await producer.offer()
    check("words in flight", MOST_OWED, len(producer.taken), producer.cycles.count)
    await producer.finish()


@cocotb.test(timeout_time=100, timeout_unit="us")
async def error_response_is_a_bus_error(dut: Any) -> None:
    """It rises in the cycle after the response, stays, and falls with the next start."""
    producer = Producer(dut, Stress())
    producer.memory.faults = Faults(failing_word=7)
    await producer.begin()
    while producer.errors() == NO_ERRORS:
        await producer.offer()
    cycle = producer.cycles.count
    check("(bus_error, silent)", BUS_ERROR, producer.errors(), cycle)
    check("words answered", 8, len(producer.memory.answered), cycle)
    await producer.store(5)
    check("(bus_error, silent)[later]", BUS_ERROR, producer.errors(), producer.cycles.count)
    await producer.clear()
    await producer.store(5)
    check("(bus_error, silent)[anew]", NO_ERRORS, producer.errors(), producer.cycles.count)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def unasked_response_is_a_bus_error(dut: Any) -> None:
    producer = Producer(dut, Stress())
    for port in ("start_i", "stop_i", "word_valid_i", "awready_i", "wready_i", "bresp_i"):
        getattr(dut, port).value = 0
    await producer.cycles.reset()
    dut.bvalid_i.value = 1
    await producer.cycles.start()
    dut.bvalid_i.value = 0
    await producer.cycles.settle()
    check("(bus_error, silent)", BUS_ERROR, producer.errors(), producer.cycles.count)
    check("busy", 0, int(dut.busy_o.value), producer.cycles.count)


async def fall_silent(dut: Any, faults: Faults, words: int) -> None:
    """The error rises when the given number of cycles has passed since the last progress."""
    producer = Producer(dut, Stress())
    producer.memory.faults = faults
    await producer.begin()
    while len(producer.taken) < words:
        await producer.offer()
    while producer.errors() == NO_ERRORS:
        await producer.cycles.start()
    cycle = producer.cycles.count
    check("(bus_error, silent)", SILENT, producer.errors(), cycle)
    quiet = max(producer.memory.progress, producer.taken[-1]) + 1  # first cycle without progress
    check("cycle of the error", quiet + TIMEOUT, cycle, cycle)
    await producer.clear()


@cocotb.test(timeout_time=100, timeout_unit="us")
async def missing_response_is_noticed(dut: Any) -> None:
    await fall_silent(dut, Faults(last_word=4), words=9)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def untaken_address_is_noticed(dut: Any) -> None:
    await fall_silent(dut, Faults(deaf_addresses=True), words=1)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def untaken_data_is_noticed(dut: Any) -> None:
    await fall_silent(dut, Faults(deaf_data=True), words=1)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def idle_unit_is_no_silence(dut: Any) -> None:
    producer = Producer(dut, Stress())
    await producer.begin()
    await producer.store(3)
    for _ in range(3 * TIMEOUT):
        await producer.cycles.start()
    check("(bus_error, silent)", NO_ERRORS, producer.errors(), producer.cycles.count)


@cocotb.test(timeout_time=100, timeout_unit="us")
async def stop_takes_no_more_words(dut: Any) -> None:
    """The word in hand is stored and answered."""
    producer = Producer(dut, Stress(memory_stalls=0.5))
    await producer.begin()
    while len(producer.taken) < 20:
        await producer.offer()
    dut.stop_i.value = 1
    for _ in range(5 * TIMEOUT):
        check("word taken", False, await producer.offer(), producer.cycles.count)
    await producer.finish()
