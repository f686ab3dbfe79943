"""A geometry that cannot be built is refused in one line that names the field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hw.cli import array_config
from hw.errors import UserError


@pytest.mark.parametrize(
    ("field", "value"), [("rows", 16.5), ("cols", 16.0), ("mem_latency", 7.5), ("fifo_beats", 100)]
)
def test_unusable_field_is_named(field: str, value: float, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({field: value}))
    with pytest.raises(UserError, match=f"^{field}={value}: expected"):
        array_config(file)
