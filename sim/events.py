"""The events of the core, in the order of the program: see `sim.cycles`.

Functions under @njit are typed by numba, for every kind of array they meet. Cycles count from 0;
`t` is always the loader's next cycle.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hw.program.isa import MODES, OPCODES

FIELDS = (
    "opcode", "mode", "wide", "gelu", "normal", "tokens", "tiles", "depth", "in_addr", "in_stride",
    "w_stride", "out_addr", "out_stride", "w_addr", "valid", "sums", "second", "rows",
    "second_stride", "operand", "live", "common_normal", "records",
)  # fmt: skip
"""Columns of the instruction table: fields of the instruction with live counts, and how many output
tiles have a record in the stream, of which the last ones may be of tokens that are no more."""

_MATMUL, _LOAD, _END = OPCODES["MATMUL"], OPCODES["LOAD"], OPCODES["END"]
_ADD, _LAYERNORM, _SOFTMAX = OPCODES["ADD"], OPCODES["LAYERNORM"], OPCODES["SOFTMAX"]
_STORE, _MEAN = OPCODES["STORE"], OPCODES["MEAN"]
_SCORE, _SELECT = OPCODES["SCORE"], OPCODES["SELECT"]
_STREAM, _COLUMNS = MODES["STREAM"], MODES["COLUMNS"]
_OUTPUT_STAGES = 6
_SLOTS = 4
_PLACES = 4
"""Output tiles in flight, and instructions that the vector unit queues."""
_MIN_ROW = 4
_WRITE_STAGES = 7
_FACTOR_DRAIN = 47
_PACKAGE_STEPS = 3
"""Of the vector unit: least cycles of a row, cycles from a step to its write, from the last token's
sums to its reciprocal, and from a row's last token to the end of its package token."""
_FAR = 1 << 60


@njit(cache=True)
def _pop(lines, t, state, pops, geometry):  # type: ignore[no-untyped-def]
    """Take `lines` lines from the stream, none before cycle `t`; return the cycle after the last.

    Within a burst beats arrive at a steady rate, so its first or its last line taken decides.

    `state`: 0 line of the stream, 1 burst last asked for, 2 its request cycle, 3 the cycle its
    first beat arrives. `pops`: the cycle in which each of the last bursts was used up.
    """
    beat_log, burst_log, fifo_bursts = geometry[0], geometry[1], geometry[2]
    latency, interval = geometry[3], geometry[4]
    line = state[0]
    end = line + lines
    while line < end:
        burst = line >> (beat_log + burst_log)
        while state[1] < burst:
            state[1] += 1
            request = state[2] + 1
            if state[1] >= fifo_bursts:
                request = max(request, pops[state[1] & (fifo_bursts - 1)] + 1)
            state[3] = max(request + latency, state[3] + (interval << burst_log))
            state[2] = request
        beat = (line >> beat_log) & ((1 << burst_log) - 1)
        burst_end = (burst + 1) << (beat_log + burst_log)
        last = min(end, burst_end)
        t = max(t, state[3] + beat * interval + 1) + last - line
        last_beat = ((last - 1) >> beat_log) & ((1 << burst_log) - 1)
        in_beat = ((last - 1) & ((1 << beat_log) - 1)) + 1 if last_beat > beat else last - line
        t = max(t, state[3] + last_beat * interval + 1 + in_beat)
        line = last
        if line == burst_end:
            pops[burst & (fifo_bursts - 1)] = t - 1
    state[0] = end
    return t


@njit(cache=True)
def count_blocks(kept):  # type: ignore[no-untyped-def]
    """Kept blocks of every output tile, from (input tiles, output tiles)."""
    counts = np.zeros(kept.shape[1], np.int64)
    for row in range(kept.shape[0]):
        for column in range(kept.shape[1]):
            counts[column] += kept[row, column]
    return counts


@njit(cache=True)
def block_indices(kept, order):  # type: ignore[no-untyped-def]
    """Input tiles of all kept blocks, output tile after output tile in `order`."""
    indices = np.empty(kept.shape[0] * order.size, np.int64)
    position = 0
    for column in order:
        for row in range(kept.shape[0]):
            if kept[row, column]:
                indices[position] = row
                position += 1
    return indices[:position]


@njit(cache=True)
def _clear_of(first, last, wide, ranges, t):  # type: ignore[no-untyped-def]
    """The first cycle from `t` on in which no result due in words [first, last) is pending."""
    for slot in range(_SLOTS):
        if ranges[slot, 4] == wide and first < ranges[slot, 1] and ranges[slot, 0] < last:
            t = max(t, ranges[slot, 2] + 1)
    return t


@njit(cache=True)
def _read_words(count, t, ranges):  # type: ignore[no-untyped-def]
    """`count` reads of the features' second port from cycle `t` on, between the writes of tiles;
    the cycle after the last."""
    while count:
        free = t
        for _ in range(_SLOTS):
            for slot in range(_SLOTS):
                if not ranges[slot, 4] and ranges[slot, 3] <= free <= ranges[slot, 2]:
                    free = ranges[slot, 2] + 1
        until = _FAR
        for slot in range(_SLOTS):
            if not ranges[slot, 4] and ranges[slot, 3] > free:
                until = min(until, ranges[slot, 3])
        step = min(count, until - free)
        count -= step
        t = free + step
    return t


@njit(cache=True)
def _vector_words(queue, first, last, t):  # type: ignore[no-untyped-def]
    """The first cycle from `t` on in which the vector unit has written the normal words
    [first, last) that are in its hands.

    `queue` rows: 0 end, 1 first and 2 end of the sums it reads, 3 first word and 4 end of its
    results, 5 their stride, from 6 on the cycles in which its word rows are written.
    """
    for place in range(_PLACES):
        if queue[place, 4] > first and queue[place, 3] < last:
            row = max((last - queue[place, 3] + queue[place, 5] - 1) // queue[place, 5], 1)
            rows = (queue[place, 4] - queue[place, 3] - 1) // queue[place, 5] + 1
            clear = queue[place, 0] if row > rows else queue[place, 5 + row]
            t = max(t, min(clear, queue[place, 0]) + 1)
    return t


@njit(cache=True)
def _sums_read(queue, first, last, t):  # type: ignore[no-untyped-def]
    """The first cycle from `t` on in which the vector unit needs none of the sums [first, last)."""
    for place in range(_PLACES):
        if queue[place, 2] > first and queue[place, 1] < last:
            t = max(t, queue[place, 0] + 1)
    return t


@njit(cache=True)
def _run_vector(ins, start, entry, ranges, streamed, geometry):  # type: ignore[no-untyped-def]
    """An instruction of the vector unit, from its first cycle `start`; its last cycle.

    Args:
        ins: its row of the instruction table.
        entry: its row of the queue, to be filled in.
        ranges: output tiles in flight.
        streamed: first word, end and last cycle of the block that streams from the normal memory.
    """
    opcode, wide, tokens, rows = ins[0], ins[2], ins[5], ins[17]
    in_addr, in_stride, out_addr, out_stride = ins[8], ins[9], ins[11], ins[12]
    sums, second = ins[15], opcode == _SCORE or (opcode == _ADD and ins[16] == 1)
    lanes, latency, beats = geometry[7], geometry[3], geometry[16]
    slices = max(geometry[5], geometry[6]) // lanes
    levels = 0
    while 1 << levels < lanes:
        levels += 1
    drain = 7 + levels
    if second:
        in_addr, in_stride = ins[19], ins[18]
    entry[1], entry[2] = 0, 0
    if second or sums:
        entry[1], entry[2] = in_addr, in_addr + (rows - 1) * in_stride + tokens
    writes = opcode == _SOFTMAX or (opcode == _LAYERNORM and not wide)
    entry[3], entry[4], entry[5] = 0, 0, 1
    if writes:
        entry[3], entry[4] = out_addr, out_addr + (rows - 1) * out_stride + tokens
        entry[5] = out_stride
    cycle = start + 1
    if opcode == _STORE:
        for row in range(rows):
            first = in_addr + row * in_stride
            if sums:
                cycle = _clear_of(first, first + tokens, 1, ranges, cycle)
            # A word is read in one cycle, offered in the next, taken when the one before is out.
            taken = cycle
            for token in range(tokens):
                taken += 2
                if row + token:
                    taken = max(taken, entry[0] + beats)
                entry[0] = taken
            cycle = taken + 1
        entry[0] = max(taken + 1, taken + beats + latency + 1)
        return entry[0]
    packs = opcode in (_SELECT, _MEAN)
    if packs:
        cycle += 1 + _FACTOR_DRAIN
    if opcode == _SELECT:
        cycle += tokens + drain
    row_cycles = 1 + (tokens + _PACKAGE_STEPS if packs else max(tokens, _MIN_ROW))
    passes = 4 if opcode == _SOFTMAX else 2 if opcode in (_LAYERNORM, _SCORE) else 1
    for number in range(passes):
        if (
            (opcode == _SOFTMAX and number == 2)
            or (opcode == _LAYERNORM and number == 0)
            or (opcode == _SCORE and number == 1)
        ):
            cycle += tokens + _FACTOR_DRAIN
            continue
        writing = writes and number == passes - 1
        for row in range(rows):
            for _ in range(slices):
                first = in_addr + row * in_stride
                while True:
                    before = cycle
                    if sums or second:
                        cycle = _clear_of(first, first + tokens, 1, ranges, cycle)
                    if writing:
                        target = out_addr + row * out_stride
                        if target < streamed[1] and streamed[0] < target + tokens:
                            cycle = max(cycle, streamed[2] + 1)
                    if cycle == before:
                        break
                if writing:
                    entry[6 + row] = cycle + tokens + _WRITE_STAGES
                cycle += row_cycles
        cycle += drain
    entry[0] = cycle - 1
    return entry[0]


@njit(cache=True)
def evaluate(instructions, tile_start, stream, geometry):  # type: ignore[no-untyped-def]
    """When every instruction starts and ends.

    Args:
        instructions: (n, fields) as in `FIELDS`
        tile_start: (n) position of the instruction's first tile in the stream's tiles
        stream: offsets of every stream tile, its kept input tiles, its place in the output
        geometry: as `sim.cycles` fills it
    Returns:
        last cycle of every instruction (-1 of a load), first cycle of those of the vector unit (-1
        of the others), and (m, 2) the cycles [first, last) in which the array waits for that unit.
    """
    offsets, kept, places = stream
    rows, cols = geometry[5], geometry[6]
    instr_lines, table_lines, param_lines = geometry[8], geometry[9], geometry[10]
    block_lines, word_lines, norm_lines = geometry[11], geometry[12], geometry[13]
    in_slices, out_slices = max(cols // rows, 1), max(rows // cols, 1)
    count = instructions.shape[0]
    ends = np.full(count, -1, np.int64)
    starts = np.full(count, -1, np.int64)
    waits = np.zeros((2 * count + kept.size + 16, 2), np.int64)
    wait_count = 0
    state = np.array([0, -1, -1, -(1 << 40)], np.int64)
    pops = np.zeros(geometry[2], np.int64)
    # Tiles by slot: first word, end, cycles of the last and of the first write, int16 results
    ranges = np.zeros((_SLOTS, 5), np.int64)
    ranges[:, 2] = -1
    ranges[:, 3] = -1
    most_rows = 1
    for i in range(count):
        if instructions[i, 0] != _MATMUL:
            most_rows = max(most_rows, instructions[i, 17])
    queue = np.zeros((_PLACES, 6 + most_rows), np.int64)
    queue[:, 0] = -1
    queue[:, 5] = 1
    vectors = 0
    vector_end = -1
    norm_ends = np.full(2, -1, np.int64)
    norms = 0
    streamed = np.full(3, -1, np.int64)  # of the normal memory: first word, end, last cycle
    banks = np.full(2, -1, np.int64)  # cycle of the last write of its tile
    bank = 0
    t = 0
    taken = -(1 << 40)  # cycle the last item was taken
    block_taken = -(1 << 40)  # and the last block
    stream_end = -1  # last cycle of the last token
    gelu_freed = -1
    output_end = -1  # cycle of the last read of the accumulators
    written = -1  # cycle of the last write of all
    tile_number = 0
    score_end = -1  # last cycle of the last SCORE
    t = _pop(instr_lines, t, state, pops, geometry) + 1
    t = _pop(geometry[14], t, state, pops, geometry)
    t = _pop(geometry[15], t, state, pops, geometry)
    for i in range(count):
        ins = instructions[i]
        opcode = ins[0]
        t = _pop(instr_lines, t, state, pops, geometry)
        if ins[20] or opcode == _SCORE:
            idle = max(t, max(taken, stream_end) + 1)
            if score_end >= idle:
                waits[wait_count, 0], waits[wait_count, 1] = idle, score_end + 1
                wait_count += 1
            t = max(t, score_end + 1)
        t += 1
        if opcode == _LOAD:
            t = _pop(ins[19] * word_lines * (1 + ins[2]), t, state, pops, geometry)
            continue
        if opcode != _MATMUL:
            if opcode == _LAYERNORM:
                t = max(t, norm_ends[norms & 1] + 1)
                t = _pop(norm_lines * ins[17], t, state, pops, geometry)
            t = max(t, taken + 1) + 1
            if opcode == _END:
                idle = max(t, stream_end + 1)
                if vector_end >= idle:
                    waits[wait_count, 0], waits[wait_count, 1] = idle, vector_end + 1
                    wait_count += 1
                ends[i] = max(idle, max(written, vector_end) + 1)
                break
            place = vectors % _PLACES
            vectors += 1
            taken = max(t, queue[place, 0] + 1)
            idle = max(t, stream_end + 1)
            if taken > idle:
                waits[wait_count, 0], waits[wait_count, 1] = idle, taken
                wait_count += 1
            starts[i] = max(taken + 1, vector_end + 1)
            queue[place, 0] = -1
            vector_end = _run_vector(ins, starts[i], queue[place], ranges, streamed, geometry)
            ends[i] = vector_end
            if opcode == _SCORE:
                score_end = vector_end
            if opcode == _LAYERNORM:
                norm_ends[norms & 1] = vector_end
                norms += 1
            continue
        mode, wide, gelu, normal = ins[1], ins[2], ins[3], ins[4]
        tokens, tiles, depth = ins[5], ins[6], ins[7]
        if gelu:
            t = _pop(table_lines, max(t, gelu_freed + 1), state, pops, geometry)
        for tile in range(tiles):
            slot = tile_number % _SLOTS
            tile_number += 1
            t = _pop(1, max(t, ranges[slot, 2] + 1), state, pops, geometry)
            t = _pop(param_lines, t, state, pops, geometry)
            position = tile_start[i] + tile
            tile_blocks, place = depth, tile
            if mode == _STREAM:
                tile_blocks = offsets[position + 1] - offsets[position]
                place = places[position]
            first_word = ins[11] + place // out_slices * ins[12]
            end_word = first_word + tokens
            done = 0
            for block in range(max(tile_blocks, 1)):
                empty = tile_blocks == 0
                index = block
                if empty:
                    t = max(t, taken + 1) + 1
                elif mode == _STREAM:
                    index = kept[offsets[position] + block]
                    t = _pop(1, t, state, pops, geometry)
                    t = _pop(block_lines, max(t, taken + 1), state, pops, geometry)
                else:
                    t = max(t + 1, taken + 1)
                    if mode == _COLUMNS:
                        t = max(t, block_taken + rows)
                        first = ins[13] + block // in_slices * ins[10] + tile * cols
                        last = first + min(cols, ins[14] - tile * cols)
                        words = cols
                    else:
                        first = ins[13] + tile // out_slices * ins[10] + block * rows
                        last = first + min(rows, ins[14] - block * rows)
                        words = rows
                    t = _read_words(words, _clear_of(first, last, 0, ranges, t), ranges)
                take = max(t, stream_end + 1 if empty else stream_end)
                clear = take
                if block == 0 and wide:
                    clear = _sums_read(queue, first_word, end_word, clear)
                if not empty:
                    from_normal, last = normal, 0
                    if mode == _STREAM and depth and index >= depth:
                        from_normal = ins[21]
                        first = ins[13] + (index - depth) // in_slices * ins[10]
                        last = first + 1
                    else:
                        first = ins[8] + index // in_slices * ins[9]
                        last = first + tokens
                    if from_normal:
                        clear = _vector_words(queue, first, last, clear)
                    else:
                        take = _clear_of(first, last, 0, ranges, take)
                    if block == 0:
                        take = max(take, banks[bank] + 1)
                idle = max(t, stream_end + 1)
                if clear > idle:
                    waits[wait_count, 0], waits[wait_count, 1] = idle, clear
                    wait_count += 1
                taken = max(take, clear)
                if block == 0:
                    ranges[slot, 0], ranges[slot, 1], ranges[slot, 4] = first_word, end_word, wide
                    ranges[slot, 2], ranges[slot, 3] = _FAR, _FAR
                if empty:
                    done = taken + 1
                else:
                    block_taken = taken
                    stream_end = taken + tokens
                    done = stream_end + rows + 3
                    if from_normal:
                        streamed[0], streamed[1], streamed[2] = first, last, stream_end
                    else:
                        streamed[0], streamed[1] = -1, -1
            output_end = max(done, output_end) + tokens
            written = output_end + _OUTPUT_STAGES
            ranges[slot, 2], ranges[slot, 3] = written, written - tokens + 1
            if tile_blocks:
                banks[bank] = written
                bank ^= 1
            if gelu:
                gelu_freed = written
        for _ in range(tiles, ins[22]):
            t = _pop(1 + param_lines, t, state, pops, geometry)
        ends[i] = max(stream_end, taken)
    return ends, starts, waits[:wait_count]
