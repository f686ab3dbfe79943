"""The command line of `python -m prune`."""

import typer

from prune.cli.accuracy import accuracy
from prune.cli.apply import apply_command
from prune.cli.bench import bench
from prune.cli.close import close
from prune.cli.compare import compare_units
from prune.cli.compare_tokens import compare_tokens_command
from prune.cli.export import export
from prune.cli.finetune import finetune_command
from prune.cli.latency import latency
from prune.cli.methods import compare_methods
from prune.cli.onnx_latency import onnx_latency
from prune.cli.run import run_command
from prune.cli.sweep import sweep_command
from prune.cli.tokens import retarget_command, tokens_command
from prune.cli.views import show

app = typer.Typer(
    help="Make a Vision Transformer block-sparse within a budget of cycles, and quantize it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run_command)
app.command("close")(close)
app.command("finetune")(finetune_command)
app.command("tokens")(tokens_command)
app.command("retarget")(retarget_command)
app.command("compare-units")(compare_units)
app.command("compare-methods")(compare_methods)
app.command("compare-tokens")(compare_tokens_command)
app.command("accuracy")(accuracy)
app.command("sweep")(sweep_command)
app.command("show")(show)
app.command("apply")(apply_command)
app.command("export")(export)
app.command("bench")(bench)
app.command("latency")(latency)
app.command("onnx-latency")(onnx_latency)
