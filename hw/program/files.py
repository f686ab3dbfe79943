"""The compiled program on disk: `program.bin`, the stream, beside `program.json`, what it is.

`program.json` names the network it was compiled from and the geometry it was compiled for by their
digests, so that a stale program is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hw.artifacts import read_json, replacing, write_json
from hw.config import ArrayConfig
from hw.errors import UserError
from hw.ir import Network
from hw.program.compiler import Program, compile_network, record_bytes
from hw.program.layout import Memory

FORMAT_VERSION = 2
_REMEDY = "run `python -m hw compile` again"


def network_digest(folder: Path) -> str:
    """First 12 hex digits of the SHA-256 of a network's two files.

    Raises:
        UserError: when one cannot be read.
    """
    digest = hashlib.sha256()
    for name in ("network.json", "network.safetensors"):
        try:
            digest.update((folder / name).read_bytes())
        except OSError as error:
            raise UserError(
                f"{folder / name}: cannot be read ({error.strerror}), expected a network; "
                "run `python -m prune` again"
            ) from error
    return digest.hexdigest()[:12]


def write_program(program: Program, network: Network, folder: Path) -> dict[str, Any]:
    """Write `program.bin`, then `program.json`, beside the network; what the latter holds.

    Raises:
        UserError: when the folder cannot be written.
    """
    schedule = program.schedule
    entry = {
        "format": FORMAT_VERSION,
        "model": network.model,
        "network_digest": network_digest(folder),
        "config": asdict(schedule.config),
        "config_digest": schedule.config.digest(),
        "sha256": _sha256(program.stream.tobytes()),
        "bytes": int(program.stream.size),
        "beats": program.beats,
        "instructions": len(schedule.instructions),
        "image_bytes": record_bytes(program.image, schedule.config),
        "program_base": program.base,
        "result_base": program.result_base,
        "result_words": program.result_words,
        "words": {
            memory.value: max(
                (p.base + p.words for p in schedule.placements.values() if p.memory is memory),
                default=0,
            )
            for memory in Memory
        },
        "owners": [
            "end of the program" if entry.op is None else network.ops[entry.op].name
            for entry in schedule.entries
        ],
        "tiles": {
            name: {"total": int(kept.size), "kept": int(kept.sum())}
            for name, kept in program.kept.items()
        },
        "placements": {
            name: {**asdict(place), "memory": place.memory.value}
            for name, place in schedule.placements.items()
        },
    }
    with replacing(folder / "program.bin") as path:
        path.write_bytes(program.stream.tobytes())
    write_json(folder / "program.json", entry)
    return entry


def read_description(folder: Path) -> dict[str, Any]:
    """The `program.json` of a folder.

    Raises:
        UserError: when there is none, or it is damaged.
    """
    path = folder / "program.json"
    entry = read_json(path, "the description of a compiled program", _REMEDY)
    if not isinstance(entry, dict) or entry.get("format") != FORMAT_VERSION:
        raise UserError(f"{path}: not a program of format {FORMAT_VERSION}; {_REMEDY}")
    return entry


def read_stream(folder: Path, entry: dict[str, Any]) -> bytes:
    """The bytes of `program.bin`, checked against its description.

    Raises:
        UserError: when the file is missing or not the one described.
    """
    path = folder / "program.bin"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}), expected a program; {_REMEDY}"
        ) from error
    if _sha256(data) != entry.get("sha256"):
        raise UserError(
            f"{path}: {len(data)} bytes, not the {entry.get('bytes')} that program.json describes; "
            f"{_REMEDY}"
        )
    return data


def read_program(folder: Path, network: Network) -> Program:
    """What `write_program` wrote for this network.

    Raises:
        UserError: when a file is missing or damaged, or the program is of another network.
    """
    entry = read_description(folder)
    data = read_stream(folder, entry)
    if entry.get("network_digest") != network_digest(folder):
        raise UserError(
            f"{folder / 'program.bin'}: compiled from another network than the one beside it; "
            f"{_REMEDY}"
        )
    try:
        config = ArrayConfig.from_dict(entry["config"])
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{folder / 'program.json'}: no array configuration ({error}); {_REMEDY}"
        ) from error
    program = compile_network(network, config)
    if program.stream.tobytes() != data:
        raise UserError(
            f"{folder / 'program.bin'}: not what this version compiles the network to; {_REMEDY}"
        )
    return program


def with_memory_latency(program: Program, cycles: int) -> Program:
    """The same program on a machine whose memory answers after `cycles`."""
    config = replace(program.schedule.config, mem_latency=cycles)
    return replace(program, schedule=replace(program.schedule, config=config))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
