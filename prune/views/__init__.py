"""Pictures and tables of a pruning run, as files that a Markdown page can embed: `write_views`.

folder       what a run left in its folder
names        layers grouped by transformer block and by kind
layers       layers.csv and layers.md: blocks, distortion, cycles and energy of every layer
masks        masks.svg: which blocks of each layer stay
sensitivity  sensitivity.svg: the distortion of each layer against its cycles saved
page         the pictures' common look
"""

from __future__ import annotations

from pathlib import Path

from hw.artifacts import write_text
from prune.views import layers, masks, sensitivity
from prune.views.folder import read_run
from prune.views.page import save_svg

__all__ = ["write_views"]


def write_views(out: Path) -> list[Path]:
    """Write every view of the run in `out` into `out/views`; their paths.

    A run without curves has no `sensitivity.svg`.

    Raises:
        UserError: when the run's files are missing or damaged, or do not belong together.
    """
    run = read_run(out)
    folder = out / "views"
    texts = {"layers.csv": layers.csv(run.rows), "layers.md": layers.markdown(run.rows)}
    figures = {"masks.svg": masks.draw(run)}
    if run.curves:
        figures["sensitivity.svg"] = sensitivity.draw(run)
    for name, text in texts.items():
        write_text(folder / name, text)
    for name, figure in figures.items():
        save_svg(figure, folder / name)
    return [folder / name for name in (*texts, *figures)]
