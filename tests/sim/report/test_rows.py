"""Rows: none missing, cycles that add up, and figures that follow from their definitions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw.errors import UserError
from hw.ir import load_network
from hw.program.disassembler import disassemble
from hw.program.files import read_program
from sim.report.build import Report, build_report
from sim.report.columns import COLUMNS, CYCLES


@pytest.fixture
def report(simulated: Path) -> Report:
    return build_report(simulated)


def row_of(report: Report, name: str) -> dict[str, Any]:
    (row,) = [row for row in report["rows"] if row["name"] == name]
    return row


def edit(simulated: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = simulated / "cycles.json"
    entry = json.loads(path.read_text())
    change(entry)
    path.write_text(json.dumps(entry))


def test_every_operation_has_a_row_in_order(simulated: Path, report: Report) -> None:
    names = [op.name for op in load_network(simulated).ops]
    found = [row["name"] for row in report["rows"] if not row["fused_into"]]
    assert found == [*names, "end"]


def test_fused_gelu_follows_its_host(report: Report) -> None:
    (gelu,) = [row for row in report["rows"] if row["fused_into"]]
    host = report["rows"][gelu["layer_id"] - 1]
    assert (gelu["op"], gelu["fused_into"], host["name"]) == ("gelu", "fc1", "fc1")


def test_rows_have_all_columns_in_order(report: Report) -> None:
    names = [column.name for column in COLUMNS]
    assert all(list(row) == names for row in report["rows"])


def test_kinds_of_cycles_sum_to_the_row(report: Report) -> None:
    for row in report["rows"]:
        assert sum(row[kind] for kind in CYCLES) == row["cycles_total"]


def test_rows_sum_to_the_total(report: Report) -> None:
    found = sum(row["cycles_total"] for row in report["rows"])
    assert found == report["header"]["total_cycles"]


def test_rows_span_their_busy_cycles(report: Report) -> None:
    for row in report["rows"]:
        assert row["busy_cycles"] <= row["end_cycle"] - row["start_cycle"]
        assert row["end_cycle"] <= report["header"]["total_cycles"]


def test_vector_operations_say_so(report: Report) -> None:
    assert {row["op"] for row in report["rows"] if row["unit"] == "vector"} == {
        "layernorm", "softmax", "add", "select",
    }  # fmt: skip


def test_hidden_work_of_the_vector_unit_is_busy_but_not_exposed(report: Report) -> None:
    row = row_of(report, "softmax")
    assert 0 < row["cycles_total"] < row["busy_cycles"]
    vector = report["header"]["vector"]
    assert vector["exposed_cycles"] < vector["busy_cycles"]


def test_every_row_is_exact_and_has_a_checksum(report: Report) -> None:
    for row in report["rows"]:
        assert row["bit_exact"] is True
        assert (row["checksum"] is None) == (row["op"] == "end")


def test_program_bytes_are_those_of_the_rows(simulated: Path, report: Report) -> None:
    program = read_program(simulated, load_network(simulated))
    decoded = list(disassemble(program.stream.tobytes(), program.schedule.config))
    for column in ("weight_bytes", "metadata_bytes"):
        assert sum(row[column] or 0 for row in report["rows"]) == sum(
            getattr(entry, column) for entry in decoded
        )


def test_products_count_real_tokens_and_features(report: Report) -> None:
    scores, head = row_of(report, "scores"), row_of(report, "head")
    assert [scores[c] for c in ("heads", "m", "k", "n")] == [2, 37, 8, 37]
    assert scores["macs_dense"] == 2 * 37 * 8 * 37
    assert [head[c] for c in ("m", "k", "n", "macs_dense")] == [1, 16, 10, 160]


def test_effective_work_is_that_of_kept_blocks(simulated: Path, report: Report) -> None:
    weight = load_network(simulated).params["head.weight"]
    kept = sum(
        weight[i : i + 4, j : j + 4].size
        for i in range(0, 10, 4)
        for j in range(0, 16, 4)
        if weight[i : i + 4, j : j + 4].any()
    )
    row = row_of(report, "head")
    assert 0 < kept < weight.size
    assert (row["macs_effective"], row["macs_skipped"]) == (kept, weight.size - kept)


def test_blocks_and_tiles_are_counted(simulated: Path, report: Report) -> None:
    row = row_of(report, "fc2")
    grid = load_network(simulated).params["fc2.weight"].reshape(4, 4, 6, 4).any(axis=(1, 3))
    assert [row[c] for c in ("block_rows", "block_cols", "blocks_total")] == [4, 4, 24]
    assert row["blocks_kept"] == row["tiles_kept"] == grid.sum()
    assert row["block_density"] == pytest.approx(grid.mean())


def test_mapping_counts_padding(report: Report) -> None:
    assert row_of(report, "fc2")["utilization_mapping"] == 100
    # 10 classes take three tiles of 4; 37 keys take ten.
    assert row_of(report, "head")["utilization_mapping"] == pytest.approx(100 * 10 / 12)
    assert row_of(report, "scores")["utilization_mapping"] == pytest.approx(100 * 37 / 40)


def test_utilization_follows_its_formula(report: Report) -> None:
    for row in report["rows"]:
        if row["macs_dense"]:
            total = row["cycles_total"]
            assert row["utilization_compute"] == pytest.approx(100 * row["compute"] / total)
            assert row["utilization_overall"] == pytest.approx(
                100 * row["macs_effective"] / (16 * total)
            )


def test_removed_blocks_make_a_layer_faster_than_dense(report: Report) -> None:
    row = row_of(report, "fc2")
    assert row["speedup_vs_dense"] > 1
    assert row["sparse_efficiency"] == pytest.approx(row["speedup_vs_dense"] * row["block_density"])


def test_classifier_of_one_token_is_bound_by_memory(report: Report) -> None:
    assert row_of(report, "head")["bound"] == "memory"


def test_results_are_written_once(report: Report) -> None:
    # 37 tokens of 16 features in int16; 2 heads of 37 padded to 40 keys in int16.
    assert row_of(report, "proj")["bytes_out"] == 37 * 16 * 2
    assert row_of(report, "scores")["bytes_out"] == 37 * 2 * 40 * 2
    assert row_of(report, "norm1")["bytes_out"] == 37 * 16


def test_vector_unit_reads_its_operand_in_every_pass(report: Report) -> None:
    assert row_of(report, "softmax")["bytes_act_in"] == 3 * 37 * 2 * 40 * 2
    assert row_of(report, "add2")["bytes_act_in"] == 2 * 37 * 16 * 2


def test_energies_of_the_rows_sum_to_the_header(report: Report) -> None:
    header = report["header"]
    assert sum(row["energy_uj"] for row in report["rows"]) == pytest.approx(header["energy_uj"])
    assert sum(header["energy_by_part_uj"].values()) == pytest.approx(header["energy_uj"])


def test_utilization_of_the_whole_run_counts_every_cycle(report: Report) -> None:
    header = report["header"]
    cycles = 16 * header["total_cycles"]
    dense, effective = header["macs_dense"], header["macs_effective"]
    assert header["utilization_array_pct"] == pytest.approx(100 * dense / cycles)
    assert header["utilization_effective_pct"] == pytest.approx(100 * effective / cycles)


def test_largest_exposed_piece_is_the_costliest_wait(report: Report) -> None:
    cost = {
        (op, kind): sum(row[kind] for row in report["rows"] if row["op"] == op)
        for op in {row["op"] for row in report["rows"]}
        for kind in CYCLES
        if kind != "compute"
    }
    found = report["header"]["largest_exposed"]
    assert found["cycles"] == max(cost.values()) == cost[found["op"], found["kind"]]
    assert row_of(report, found["worst_row"])[found["kind"]] == found["worst_row_cycles"]


def test_checksum_is_of_the_result(simulated: Path, report: Report) -> None:
    import zlib

    from sim.images import input_image
    from sim.reference import execute

    network = load_network(simulated)
    proj = execute(network, input_image(network.image, "0").patches)["proj"]
    expected = f"{zlib.crc32(np.ascontiguousarray(proj, '<i2').tobytes()):08x}"
    assert row_of(report, "proj")["checksum"] == expected


def test_shares_of_linear_cycles_sum_to_all(report: Report) -> None:
    shares = report["header"]["linear_cycles_pct"]
    assert sum(shares.values()) == pytest.approx(100)
    assert shares["working"] == pytest.approx(report["header"]["utilization_linear_pct"])


def test_rates_follow_from_cycles_and_clock(report: Report) -> None:
    header = report["header"]
    assert header["latency_ms"] == pytest.approx(header["total_cycles"] / 300e3)
    assert header["images_per_s"] == pytest.approx(1e3 / header["latency_ms"])
    assert header["effective_gops"] == pytest.approx(
        2e-9 * header["macs_effective"] * header["images_per_s"]
    )


def test_slowest_operation_is_the_bottleneck(report: Report) -> None:
    slowest = max(report["rows"], key=lambda row: row["cycles_total"])
    assert report["header"]["bottleneck"]["name"] == slowest["name"]


def test_kinds_that_do_not_sum_are_refused(simulated: Path) -> None:
    def change(entry: dict[str, Any]) -> None:
        entry["operations"][2]["kinds"]["compute"] += 1

    edit(simulated, change)
    with pytest.raises(UserError, match="the kinds of qkv sum to"):
        build_report(simulated)


def test_operations_that_do_not_sum_are_refused(simulated: Path) -> None:
    def change(entry: dict[str, Any]) -> None:
        entry["total_cycles"] += 1

    edit(simulated, change)
    with pytest.raises(UserError, match="the operations sum to"):
        build_report(simulated)


def test_span_outside_of_the_run_is_refused(simulated: Path) -> None:
    edit(simulated, lambda entry: entry["operations"][2].update(end_cycle=10**9))
    with pytest.raises(UserError, match="qkv is at work"):
        build_report(simulated)


def test_missing_operation_is_refused(simulated: Path) -> None:
    def change(entry: dict[str, Any]) -> None:
        gone = entry["operations"].pop(2)
        entry["total_cycles"] -= gone["cycles"]
        (image,) = entry["images"]
        image["total_cycles"] -= image["cycles"].pop(gone["name"])
        for operation in entry["operations"]:
            operation.update(start_cycle=0, end_cycle=0)

    edit(simulated, change)
    with pytest.raises(UserError, match="not those of the network"):
        build_report(simulated)


def test_unknown_kind_of_cycles_is_refused(simulated: Path) -> None:
    def change(entry: dict[str, Any]) -> None:
        kinds = entry["operations"][2]["kinds"]
        kinds["sleeping"] = kinds.pop("compute")

    edit(simulated, change)
    with pytest.raises(UserError, match="the kinds of qkv sum to"):
        build_report(simulated)


def test_measurement_of_another_network_is_refused(simulated: Path) -> None:
    path = simulated / "network.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(UserError, match="another network"):
        build_report(simulated)


def test_measurement_of_a_failed_run_is_refused(simulated: Path) -> None:
    edit(simulated, lambda entry: entry.update(bit_exact=False, error="the machine stopped"))
    with pytest.raises(UserError, match="the machine stopped"):
        build_report(simulated)


def test_measurement_with_a_wrong_value_is_refused(simulated: Path) -> None:
    edit(simulated, lambda entry: entry.update(bit_exact=False, difference="wrong value at 7"))
    with pytest.raises(UserError, match="wrong value at 7"):
        build_report(simulated)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 1}', '{"format": 3, "bit_exact": true}'])
def test_damaged_measurement_is_refused(simulated: Path, content: str) -> None:
    (simulated / "cycles.json").write_text(content)
    with pytest.raises(UserError, match=r"cycles\.json"):
        build_report(simulated)
