"""Reports are what `schema.json` says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sim.report
from sim.report.build import build_report
from sim.report.columns import COLUMNS, SCHEMA_VERSION

SCHEMA = json.loads(Path(sim.report.__file__).with_name("schema.json").read_text())
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def violations(value: Any, schema: dict[str, Any], where: str = "report") -> Iterator[str]:
    """What is wrong with a value, by the keywords that the schema uses."""
    types = schema.get("type", [])
    names = [types] if isinstance(types, str) else types
    is_bool = isinstance(value, bool)
    if names and not any(
        isinstance(value, TYPES[name]) and (name == "boolean") >= is_bool for name in names
    ):
        yield f"{where}: {value!r} is not {types}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{where}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is not one of {schema['enum']}"
    if "minimum" in schema and value is not None and value < schema["minimum"]:
        yield f"{where}: {value} is below {schema['minimum']}"
    if "pattern" in schema and value is not None and not re.search(schema["pattern"], value):
        yield f"{where}: {value!r} does not match {schema['pattern']}"
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from violations(item, schema["items"], f"{where}[{i}]")
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name in schema.get("required", []):
            if name not in value:
                yield f"{where}: {name} is missing"
        for name, item in value.items():
            if name not in known and others is False:
                yield f"{where}: {name} is unknown"
            rule = known.get(name, others if isinstance(others, dict) else {})
            yield from violations(item, rule, f"{where}.{name}")


def test_report_satisfies_the_schema(simulated: Path) -> None:
    report = json.loads(json.dumps(build_report(simulated)))
    assert list(violations(report, SCHEMA)) == []


def test_schema_has_every_column() -> None:
    row = SCHEMA["properties"]["rows"]["items"]
    names = [column.name for column in COLUMNS]
    assert row["required"] == names
    assert list(row["properties"]) == names


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_schema_has_the_column_s_type(column: Any) -> None:
    stated = SCHEMA["properties"]["rows"]["items"]["properties"][column.name]["type"]
    assert column.type in ([stated] if isinstance(stated, str) else stated)


def test_schema_is_of_this_version() -> None:
    version = SCHEMA["properties"]["header"]["properties"]["schema_version"]
    assert version == {"const": SCHEMA_VERSION}


def test_every_column_is_defined_in_the_report(simulated: Path) -> None:
    definitions = build_report(simulated)["definitions"]
    assert all(definitions[column.name]["meaning"] for column in COLUMNS)
