"""Modules of a kind are synthesized once and counted as often as they stand in the design."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hw.config import ArrayConfig
from hw.errors import UserError
from hw.synth.design import RTL, Design, core_design, design, elaborate
from hw.synth.hierarchy import instances
from hw.synth.views import to_markdown
from hw.synth.whole import Progress, resource_summary, selector_share, synthesize

ARRAY = ("core_pkg.sv", "pe_row.sv", "skew.sv", "systolic_array.sv")
CONFIG = ArrayConfig(rows=8, cols=4)
PACKED = ArrayConfig(rows=8, cols=4, dsp_pack=True)
BROKEN = "module top (input logic a_i);\n  logic b;\n  assign b = missing;\nendmodule\n"


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Outcomes that these tests share with each other and with nobody else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLOCKVIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def array(config: ArrayConfig) -> Design:
    parameters = {"Rows": config.rows, "Cols": config.cols, "PackDsp": int(config.dsp_pack)}
    return design({name: (RTL / name).read_text() for name in ARRAY}, "systolic_array", parameters)


def test_rows_of_the_array_are_one_kind() -> None:
    modules = elaborate(array(CONFIG))
    counts = {modules[name].kind: n for name, n in instances(modules, "\\systolic_array").items()}
    assert counts == {"systolic_array": 1, "skew": 1, "pe_row": 8}


@pytest.mark.parametrize(("config", "dsps"), [(CONFIG, 32), (PACKED, 16)])
def test_array_takes_a_multiplier_an_element_or_half(config: ArrayConfig, dsps: int) -> None:
    synthesis = synthesize(config, array(config))
    assert synthesis["total"]["dsp"] == dsps
    assert synthesis["problems"] == []
    assert f"| all |  | {synthesis['total']['lut']:,} |" in to_markdown(synthesis)


def test_unpacked_array_breaks_the_rule_of_the_packed_one() -> None:
    (line,) = synthesize(PACKED, array(CONFIG))["problems"]
    assert line.startswith("systolic_array: 32 DSPs for 8x4 elements, expected at most 16")


def test_comment_leaves_outcomes_known() -> None:
    wanted = array(CONFIG)
    first = synthesize(CONFIG, wanted)
    commented = {name: f"// new\n{text}" for name, text in wanted.sources.items()}
    heard: list[Progress] = []
    second = synthesize(CONFIG, design(commented, wanted.top, wanted.parameters), heard.append)
    assert [progress.known for progress in heard] == [True] * 3
    assert second["total"] == first["total"]


def test_core_is_unknown_before_its_synthesis() -> None:
    assert resource_summary(CONFIG) is None


def test_core_elaborates_into_every_module() -> None:
    kinds = {module.kind for module in elaborate(core_design(CONFIG)).values()}
    assert {"blockvit_core", "systolic_array", "pe_row", "accumulator"} <= kinds


def test_source_error_is_one_line_that_names_it() -> None:
    with pytest.raises(UserError, match=r"^top: top\.sv:3: .*undeclared identifier 'missing'$"):
        elaborate(design({"top.sv": BROKEN}, "top"))


@pytest.mark.slow
def test_small_core_breaks_no_rule() -> None:
    config = ArrayConfig(rows=4, cols=4, acc_depth=16, act_words=256)
    synthesis = synthesize(config)
    assert synthesis["problems"] == []
    known = resource_summary(config)
    assert known is not None and known["total"] == synthesis["total"]


@pytest.mark.slow
def test_selectors_take_look_up_tables() -> None:
    config = ArrayConfig(rows=4, cols=4, acc_depth=16, act_words=256)
    synthesis = synthesize(config)
    share = selector_share(config, synthesis)
    more = synthesis["total"]["lut"] / share["without"]["lut"]
    assert more > 1
    assert share["added"]["lut"] == pytest.approx(100 * (more - 1), abs=0.01)
