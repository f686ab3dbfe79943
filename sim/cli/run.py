"""`python -m sim run`: images through the whole network, in RTL, checked bit for bit."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hw import options
from hw.artifacts import write_json
from hw.config import ArrayConfig
from hw.ir import Network, load_network
from hw.program.compiler import Program, compile_network
from hw.program.files import (
    network_digest,
    read_description,
    read_program,
    with_memory_latency,
)
from sim.images import InputImage, input_images
from sim.machine.run import Conditions
from sim.measure import Measurement, measure_images
from sim.run_log import NAME, open_log, run_key

FAILED = 1
"""Exit status when a value or a cycle is not what it must be."""


def run(
    folder: Annotated[Path, typer.Argument(help="Folder of a network, compiled or not.")],
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    lanes: options.Lanes = None,
    acc_depth: options.AccDepth = None,
    act_words: options.ActWords = None,
    wide_words: options.WideWords = None,
    latency: Annotated[
        int | None, typer.Option(help="Cycles that memory takes to answer, else mem_latency.")
    ] = None,
    stall: Annotated[
        int, typer.Option(min=0, max=90, help="Percent of handshakes that wait a cycle.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=1, help="Of the stalls.")] = 1,
    image: Annotated[
        str, typer.Option(help="Number of a bundled test image, an image, or a folder of images.")
    ] = "0",
    images: Annotated[
        int, typer.Option(min=1, help="How many: the bundled ones from there on, or files there.")
    ] = 1,
    waves: Annotated[Path | None, typer.Option(help="Leave the waveforms here, as FST.")] = None,
) -> None:
    """Simulate FOLDER's network on images and write FOLDER/cycles.json.

    The first image is measured in all detail; the report adds what the others change. The same
    command goes on where an interrupted one stopped.

    Without a geometry the compiled program is run; with another one than its, the network is
    compiled anew. Every value that the machine writes is compared with the integer reference, and
    the cycles of every instruction with the cycle model: exits with 1 when one differs.
    """
    network = load_network(folder)
    named = {
        "rows": rows,
        "cols": cols,
        "lanes": lanes,
        "acc_depth": acc_depth,
        "act_words": act_words,
        "wide_words": wide_words,
    }
    wanted = None
    if config is not None or any(value is not None for value in named.values()):
        wanted = options.geometry(config, None, **named)
    program = _program(folder, network, wanted)
    if latency is not None:
        program = with_memory_latency(program, latency)
    array = program.schedule.config
    chosen = input_images(network.image, image, images)
    typer.echo(
        f"{network.model} on {array.rows}x{array.cols}, {_named(chosen)}: building, then "
        "simulating",
        err=True,
    )
    conditions = Conditions(array.mem_latency, stall, seed)
    digest = network_digest(folder)
    stream = hashlib.sha256(program.stream.tobytes()).hexdigest()
    log = open_log(folder, run_key(digest, stream + array.digest(), conditions, chosen))
    if log.images:
        typer.echo(f"going on after {len(log.images)} of {len(chosen)} images", err=True)
    problem = None
    for result in measure_images(
        network, program, chosen[len(log.images) :], conditions, sys.stderr.isatty(), waves
    ):
        log.add(result)
        log.save(folder)
        problem = result.error or result.difference or result.model_difference
        if problem is not None:
            typer.echo(f"error: {network.model}, {result.image.source}: {problem}", err=True)
            break
        typer.echo(_said(result))
    write_json(folder / "timeline.json", log.timeline)
    write_json(folder / "cycles.json", {**log.entry(), "network_digest": digest})
    (folder / NAME).unlink()
    if problem is not None:
        raise typer.Exit(FAILED)


def _named(images: Sequence[InputImage]) -> str:
    others = f" and {len(images) - 1} more" if len(images) > 1 else ""
    return f"{images[0].source}{others}"


def _program(folder: Path, network: Network, wanted: ArrayConfig | None) -> Program:
    """The compiled program when there is one for this geometry, else a new one."""
    if (folder / "program.json").exists() and (
        wanted is None or read_description(folder).get("config") == asdict(wanted)
    ):
        return read_program(folder, network)
    return compile_network(network, wanted or ArrayConfig())


def _said(result: Measurement) -> str:
    """An exact run in a line."""
    total, seconds = result.outcome.total_cycles, result.outcome.seconds
    model = "no cycle model with stalls"
    if not result.conditions.stall_percent:
        model = "equal to the cycle model"
    label = "" if result.image.label is None else f" (labelled {result.image.label})"
    return (
        f"{total} cycles, {model}; every value exact; class {result.prediction}{label}; "
        f"{seconds:.1f} s at {total / max(seconds, 1e-9) / 1e3:.0f} kHz"
    )
