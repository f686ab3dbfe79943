"""The command line of `python -m sim`."""

import typer

from sim.cli.agree import agree
from sim.cli.bandwidth import bandwidth
from sim.cli.bench import bench
from sim.cli.energy_check import energy_check
from sim.cli.qdq import qdq
from sim.cli.report import report
from sim.cli.run import run
from sim.cli.tb import tb
from sim.cli.timeline import timeline

app = typer.Typer(
    help="Run networks on the simulated machine, and report their cycles layer by layer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run)
app.command("report")(report)
app.command("agree")(agree)
app.command("qdq")(qdq)
app.command("energy-check")(energy_check)
app.command("timeline")(timeline)
app.command("tb")(tb)
app.command("bench")(bench)
app.command("bandwidth")(bandwidth)
