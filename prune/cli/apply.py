"""`python -m prune apply`: pruned weights as a checkpoint of a plain timm model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from hw.artifacts import replacing, write_tensors
from hw.errors import UserError
from prune.cli.tables import say
from prune.plain import check_masks, load_pruned, model_name, timm_call, weights_path
from prune.tokens import detach_
from prune.tokens.access import selectors_of

_SUFFIXES = (".pth", ".safetensors")


def apply_command(
    source: Annotated[
        Path, typer.Argument(help="OUT folder of a pruning run, or its pruned.safetensors.")
    ],
    out: Annotated[Path, typer.Option(help="Checkpoint to write, .pth or .safetensors.")],
    model: Annotated[
        str | None, typer.Option(help="The model's name; default as the run's report says.")
    ] = None,
) -> None:
    """Load pruned weights into a plain timm model, check their masks, and write them to OUT."""
    if out.suffix not in _SUFFIXES:
        raise UserError(f"--out {out}: expected a name ending in {' or '.join(_SUFFIXES)}")
    weights = weights_path(source)
    if out.resolve() == weights.resolve():
        raise UserError(f"--out {out}: is the checkpoint to read; choose another name")
    name = model or model_name(weights)
    plain = load_pruned(weights, name)
    selectors = selectors_of(plain)
    if selectors:
        detach_(plain)
    zeros = check_masks(plain.state_dict(), weights)
    call = timm_call(name, plain)
    state = {key: tensor.detach() for key, tensor in plain.state_dict().items()}
    if out.suffix == ".pth":
        with replacing(out) as temporary:
            torch.save(state, temporary)
    else:
        write_tensors(out, {key: tensor.numpy() for key, tensor in state.items()})
    console = Console()
    share = zeros.zero / zeros.total
    say(
        console,
        f"{out}: {zeros.zero:,} of {zeros.total:,} weights in linear layers are 0 ({share:.1%})",
    )
    if selectors:
        blocks = ", ".join(map(str, selectors))
        say(
            console,
            f"without the token selectors before blocks {blocks}: timm has none, so that no token "
            f"is dropped; prune.load_pruned({str(source)!r}) has them",
        )
    say(console, f"model = {_constructor(call)}")
    say(console, f"timm.models.load_checkpoint(model, {str(out)!r})")


def _constructor(call: tuple[str, dict[str, object]] | None) -> str:
    if call is None:
        return "prune.demo.build_demo()"
    name, arguments = call
    given = [repr(name), *(f"{key}={value!r}" for key, value in arguments.items())]
    return f"timm.create_model({', '.join(given)})"
