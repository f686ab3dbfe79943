"""Pictures and tables of a pruning run, as files that a Markdown page can embed: `write_views`.

folder       what a run left in its folder
names        layers grouped by transformer block and by kind
layers       layers.csv and layers.md: blocks, distortion, cycles and energy of every layer
masks        masks.svg: which blocks of each layer stay
sensitivity  sensitivity.svg: the distortion of each layer against its cycles saved
tokens       tokens.svg: which patches of some images stay, where the model selects tokens
page         the pictures' common look
"""

from __future__ import annotations

from pathlib import Path

from hw.artifacts import write_text
from prune.views import layers, masks, sensitivity
from prune.views.folder import read_run
from prune.views.page import save_svg
from prune.views.shown import Shown, tokens_shown
from prune.views.tokens import write_tokens

__all__ = ["Shown", "write_views"]


def write_views(out: Path, shown: Shown | None = None) -> list[Path]:
    """Write every view of the run in `out` into `out/views`; their paths.

    A run without curves has no `sensitivity.svg`, one without token selectors no `tokens.svg`.

    Args:
        out: folder of the run.
        shown: images to draw the tokens of; None: some of those that calibrated it.

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
    written = [folder / name for name in (*texts, *figures)]
    if run.report.get("selectors"):
        written.append(write_tokens(out, *tokens_shown(out, shown or Shown.of(run.report))))
    return written
