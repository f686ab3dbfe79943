"""What a bench is told from outside: the geometry it was built for and its seed."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

import numpy as np

from hw.config import ArrayConfig

_VARIABLE = "BLOCKVIT_BENCH"


@dataclass(frozen=True)
class Settings:
    """Geometry and seed of one run."""

    config: ArrayConfig
    seed: int

    def to_env(self) -> dict[str, str]:
        """The environment that hands the settings to the simulation."""
        return {_VARIABLE: json.dumps({"config": asdict(self.config), "seed": self.seed})}

    @staticmethod
    def from_env() -> Settings:
        """The settings of the running simulation."""
        entry = json.loads(os.environ[_VARIABLE])
        return Settings(ArrayConfig.from_dict(entry["config"]), entry["seed"])

    def generator(self) -> np.random.Generator:
        """A fresh generator; the same numbers at each call."""
        return np.random.default_rng(self.seed)
