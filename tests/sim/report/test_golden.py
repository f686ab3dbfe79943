"""Figures do not change unnoticed: the demo's report is the one kept in `tests/golden`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import isclose
from pathlib import Path
from typing import Any

from tests.golden.regenerate import GOLDEN, golden_report


def differences(found: Any, kept: Any, where: str = "") -> Iterator[str]:
    """Every place where two reports differ."""
    if isinstance(found, dict) and isinstance(kept, dict):
        for name in found.keys() | kept.keys():
            yield from differences(found.get(name), kept.get(name), f"{where}.{name}")
    elif isinstance(found, list) and isinstance(kept, list) and len(found) == len(kept):
        for i, pair in enumerate(zip(found, kept, strict=True)):
            yield from differences(*pair, f"{where}[{i}]")
    elif isinstance(found, float) and isinstance(kept, float) and isclose(found, kept):
        return  # the last bits of logarithms differ between machines
    elif found != kept:
        yield f"{where}: {found!r}, was {kept!r}"


def test_demo_report_is_the_golden_one(tmp_path: Path) -> None:
    found = json.loads(json.dumps(golden_report(tmp_path)))
    assert list(differences(found, json.loads(GOLDEN.read_text()))) == []
