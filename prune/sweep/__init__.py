"""Top-1 without finetuning of every method at every share of the dense cycles: `sweep`.

plan      what is swept, and the settings that all its points share
images    test and calibration images, decoded once, and the check that they differ
evaluate  top-1 of the float model, in bfloat16 where the processor has it
log       sweep.json: finished points, written one by one, so that a sweep goes on where it ended
run       the sweep itself
report    sweep.md and sweep.svg
"""

from prune.sweep.plan import DEFAULT_BLOCKS, DEFAULT_SHARES, Plan
from prune.sweep.report import write_report
from prune.sweep.run import sweep

__all__ = ["DEFAULT_BLOCKS", "DEFAULT_SHARES", "Plan", "sweep", "write_report"]
