"""Make the committed selectors: `python -m prune.demo.bundle_selectors RUN`."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from hw.artifacts import write_tensors
from hw.errors import UserError
from prune.demo import SELECTORS_PATH, load_bundled_weights
from prune.demo.cli import one_line_errors
from prune.models.checkpoint import read_checkpoint
from prune.plain import WEIGHTS
from prune.tokens.access import PREFIX


def main(
    run: Annotated[Path, typer.Argument(help="OUT of `python -m prune tokens demo --freeze`.")],
) -> None:
    """Write the selectors in RUN, which were trained on the demo as it is, without the demo."""
    with one_line_errors():
        state = read_checkpoint(run / WEIGHTS)
        own = {name: tensor for name, tensor in state.items() if name.startswith(PREFIX)}
        for name, tensor in load_bundled_weights().items():
            if name not in state or not torch.equal(state[name], tensor):
                raise UserError(f"{run}: {name} is not the demo's; train with --freeze, unpruned")
        if not own:
            raise UserError(f"{run}: no selectors; give a folder of `python -m prune tokens`")
        write_tensors(SELECTORS_PATH, {name: tensor.numpy() for name, tensor in own.items()})
    typer.echo(f"{SELECTORS_PATH.name}: {SELECTORS_PATH.stat().st_size} bytes")


if __name__ == "__main__":
    typer.run(main)
