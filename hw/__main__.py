"""`python -m hw`: check a geometry, compile a network, list the program, synthesize the core;
exchange networks with other tools."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hw import options
from hw.cli import run_app
from hw.config import ArrayConfig
from hw.formats import export, import_
from hw.ir import load_network
from hw.program.compiler import compile_network
from hw.program.disassembler import disassemble, listing
from hw.program.files import read_description, read_stream, write_program
from hw.synth.cli import pnr, synth

Folder = Annotated[Path, typer.Argument(help="Folder of a network, as `python -m prune` writes.")]

app = typer.Typer(
    help="The machine: its geometry, and programs for it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("config")
def config_command(
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    lanes: options.Lanes = None,
    acc_depth: options.AccDepth = None,
    act_words: options.ActWords = None,
    wide_words: options.WideWords = None,
) -> None:
    """Check a geometry and print all its fields as JSON."""
    array = options.geometry(
        config,
        rows=rows,
        cols=cols,
        lanes=lanes,
        acc_depth=acc_depth,
        act_words=act_words,
        wide_words=wide_words,
    )
    typer.echo(json.dumps(asdict(array), indent=1))


@app.command("compile")
def compile_command(
    folder: Folder,
    config: options.Config = None,
    rows: options.Rows = None,
    cols: options.Cols = None,
    lanes: options.Lanes = None,
    acc_depth: options.AccDepth = None,
    act_words: options.ActWords = None,
    wide_words: options.WideWords = None,
) -> None:
    """Compile FOLDER's network: writes FOLDER/program.bin and FOLDER/program.json."""
    array = options.geometry(
        config,
        rows=rows,
        cols=cols,
        lanes=lanes,
        acc_depth=acc_depth,
        act_words=act_words,
        wide_words=wide_words,
    )
    network = load_network(folder)
    entry = write_program(compile_network(network, array), network, folder)
    kept = sum(tiles["kept"] for tiles in entry["tiles"].values())
    total = sum(tiles["total"] for tiles in entry["tiles"].values())
    typer.echo(
        f"{network.model} for {array.rows}x{array.cols} ({entry['config_digest']}): "
        f"{entry['instructions']} instructions, {kept} of {total} weight tiles, "
        f"{entry['bytes'] / 1e6:.2f} MB, words used: "
        + ", ".join(f"{name} {words}" for name, words in entry["words"].items())
    )


@app.command()
def disasm(folder: Folder) -> None:
    """List FOLDER's compiled program, an instruction a line."""
    entry = read_description(folder)
    array = ArrayConfig.from_dict(entry["config"])
    program = list(disassemble(read_stream(folder, entry), array))
    for line in listing(program, entry["owners"]):
        typer.echo(line)


app.command()(export)
app.command("import")(import_)
app.command()(synth)
app.command()(pnr)

if __name__ == "__main__":
    run_app(app)
