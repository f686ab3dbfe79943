"""A simulated network, once for all tests that only read it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import hw.__main__
import sim.cli
from hw.cli import run_app
from hw.ir import Network, save_network
from tests.support import SMALL, small_network


def _simulate(folder: Path, network: Network, *options: str) -> Path:
    save_network(network, folder)
    for app, args in ((hw.__main__.app, ("compile", *SMALL)), (sim.cli.app, ("run", *options))):
        with pytest.raises(SystemExit) as stop:
            run_app(app, [args[0], str(folder), *args[1:]])
        assert stop.value.code == 0
    return folder


@pytest.fixture(scope="session")
def simulated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _simulate(tmp_path_factory.mktemp("simulated"), small_network(tokens=37))


@pytest.fixture(scope="session")
def selected_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = small_network(tokens=26, prefix=1, blocks=2, selectors=(0, 1), kept=(0.6, 0.6))
    return _simulate(tmp_path_factory.mktemp("selected"), network, "--images", "3")


@pytest.fixture
def simulated(simulated_once: Path, tmp_path: Path) -> Path:
    """A folder with a small network, its program for the small array, and its measured cycles.

    37 tokens do not fit the accumulators at once.
    """
    return Path(shutil.copytree(simulated_once, tmp_path / "simulated"))


@pytest.fixture
def selected(selected_once: Path, tmp_path: Path) -> Path:
    """A folder with a small network of two token selectors, measured on three images."""
    return Path(shutil.copytree(selected_once, tmp_path / "selected"))
