"""The images of a run so far: what `cycles.json` will say, and where an interrupted run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hw.artifacts import read_json, write_json
from hw.errors import UserError
from sim.images import InputImage
from sim.machine.run import Conditions
from sim.measure import FORMAT_VERSION, Measurement

NAME = "cycles.part.json"


@dataclass
class RunLog:
    """Everything of the first image, or of one that went wrong; in short of each of them."""

    key: str = ""
    """Of what the images run on: `run_key`."""
    detail: dict[str, Any] = field(default_factory=dict)
    timeline: dict[str, Any] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)

    def add(self, found: Measurement) -> None:
        """Another image. One that went wrong takes the first one's place, so that nobody takes the
        run for a whole one."""
        if not self.images or not found.exact:
            self.detail, self.timeline = found.to_dict(), found.timeline()
        self.images.append(found.image_entry())

    def entry(self) -> dict[str, Any]:
        """The contents of `cycles.json`."""
        return {**self.detail, "images": self.images}

    def save(self, folder: Path) -> None:
        write_json(folder / NAME, asdict(self))


def run_key(
    network: str, program: str, conditions: Conditions, images: Sequence[InputImage]
) -> str:
    """Tells runs apart: only one of the same network, program, conditions and images goes on.

    Args:
        network: digest of the network.
        program: digest of the program.
    """
    digest = hashlib.sha256()
    settings = [FORMAT_VERSION, network, program, asdict(conditions)]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for image in images:
        digest.update(image.source.encode() + image.patches.tobytes())
    return digest.hexdigest()


def open_log(folder: Path, key: str) -> RunLog:
    """What an interrupted run with this key left, or an empty log."""
    try:
        found = RunLog(**read_json(folder / NAME, "an interrupted run", "delete it"))
    except (UserError, TypeError):
        return RunLog(key)
    return found if found.key == key else RunLog(key)
