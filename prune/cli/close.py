"""`python -m prune close`: compare the measured cycles with the budget, and prune again if off."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from prune import loop
from prune.cli.tables import print_report, print_rounds, say
from prune.run_folder import read_report, write
from prune.views import write_views

ANOTHER_ROUND = 3
"""Exit status after pruning again: simulate, then close again."""


def close(
    out: Annotated[Path, typer.Argument(help="Folder of a run, with the simulator's cycles.json.")],
) -> None:
    """Log OUT/cycles.json as a round; when it is more than 1 % off the budget, prune again.

    Exits with 3 after pruning again (simulate the new network, then close it), with 0 when done.
    """
    console = Console()
    rounds = loop.log_measurement(out)
    print_rounds(console, rounds)
    if not rounds[-1].needs_another:
        return
    before = read_report(out)
    pruned = loop.reprune(out, rounds[-1])
    if [row["blocks_kept"] for row in before["layers"]] == [m.kept for m in pruned.masks.values()]:
        say(console, "no step of one block comes closer to the budget")
        return
    write(pruned, out)
    write_views(out)
    print_report(console, pruned.report)
    say(console, "pruned again with a corrected aim: another round is needed")
    raise typer.Exit(ANOTHER_ROUND)
