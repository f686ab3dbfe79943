"""`make`: its help, its stages, and what a second run leaves alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TINY = (
    "MODEL=deit_t:img_size=32,patch_size=8,depth=1,embed_dim=48,num_heads=3,num_classes=10",
    *("ROWS=4", "COLS=4", "ACC_DEPTH=32", "ACT_WORDS=16384", "BUDGET=0.6"),
)
STAGES = ("config.json", "network.json", "program.json", "cycles.json", "closed")


def make(
    *args: str, folder: Path = ROOT, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run make without the settings of a make above."""
    kept = {"HOME", "LANG", "PYENV_ROOT", "PYENV_VERSION", "TMPDIR"}
    if folder == ROOT:  # elsewhere `make clean` would remove the cache of this one
        kept.add("BLOCKVIT_CACHE")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    env["PATH"] = path or os.environ["PATH"]
    program = shutil.which("make") or "make"
    return subprocess.run([program, *args], cwd=folder, env=env, capture_output=True, text=True)


def fresh(folder: Path) -> Path:
    """A repository without its .venv, as far as setup looks."""
    for name in ("Makefile", "flow.mk", "flow.sh", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def test_help_lists_every_target_and_setting() -> None:
    text = (ROOT / "Makefile").read_text()
    (targets,) = re.findall(r"^\.PHONY: (.*)$", text, re.M)
    (settings,) = re.findall(r"^SETTINGS := ((?:.*\\\n)*.*)$", text, re.M)
    printed = make().stdout
    for target in set(targets.split()) - {"help"}:
        assert f"make {target} " in printed
    for name in settings.replace("\\", "").split():
        assert re.search(rf"^  (?:\w+ )*{name} ", printed, re.M), name


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifacts of a tiny network, in a folder whose name would upset a shell."""
    if make("-q", "setup").returncode:
        pytest.skip("no .venv of `make setup`")
    folder = tmp_path_factory.mktemp("make") / "a b;$HOME 'c'"
    result = make("synth-sim", f"OUT={folder}", *TINY)
    assert result.returncode == 0, result.stderr
    return folder


def test_all_artifacts_are_there(out: Path) -> None:
    assert all((out / name).exists() for name in STAGES)
    assert (out / "report" / "report.json").exists()


def test_second_run_redoes_nothing(out: Path) -> None:
    files = [*(out / name for name in STAGES), out / "report" / "report.json"]
    before = [path.stat().st_mtime_ns for path in files]
    result = make("synth-sim", f"OUT={out}", *TINY)
    assert result.stdout == f"report: {out}/report/report.md\n"
    assert [path.stat().st_mtime_ns for path in files] == before


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (("IMAGE=7",), ["simulate", "close", "report"]),
        (("IMAGES=2",), ["simulate", "close", "report"]),
        (
            ("SELECTORS=some 'selectors'.safetensors",),
            ["prune", "compile", "simulate", "close", "report"],
        ),
        (("ONNX=some 'file'.onnx",), ["import", "compile", "simulate", "report"]),
        (("BUDGET=0.7",), ["prune", "compile", "simulate", "close", "report"]),
        (("COLS=8",), ["config", "prune", "compile", "simulate", "close", "report"]),
    ],
)
def test_a_changed_setting_redoes_what_depends_on_it(
    out: Path, tmp_path: Path, change: tuple[str, ...], stages: list[str]
) -> None:
    copy = Path(shutil.copytree(out, tmp_path / "copy"))
    result = make("-n", "synth-sim", f"OUT={copy}", *TINY, *change)
    assert result.returncode == 0, result.stderr
    words = {
        "config": "tool hw config", "prune": "tool prune run", "import": "tool hw import",
        "compile": "\ncompile\n",
        "simulate": "\nsimulate\n", "close": "tool prune close", "report": "tool sim report",
    }  # fmt: skip
    assert [stage for stage, word in words.items() if word in result.stdout] == stages


@pytest.mark.parametrize("name", ["MODEL", "BUDGET", "ENERGY", "METHOD", "SELECTORS"])
def test_a_setting_of_the_pruner_beside_an_imported_file_is_one_line(name: str) -> None:
    names = "MODEL BUDGET UNIT CYCLES ENERGY METHOD BLOCK CKPT SELECTORS DATA"
    env = dict.fromkeys(names.split(), "") | {"PATH": os.environ["PATH"], "ONNX": "a.onnx"}
    command = ["bash", "-eu", "-c", ". ./flow.sh; check_import"]

    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=ROOT, env=env | settings, capture_output=True, text=True)

    assert run().returncode == 0
    result = run(**{name: "x"})
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {name}=x: not beside ONNX=a.onnx")
    assert result.stderr.count("\n") == 1


def check_budget(**settings: str) -> subprocess.CompletedProcess[str]:
    """The flow's check of its budgets."""
    env = {"PATH": os.environ["PATH"], "BUDGET": "", "UNIT": "", "CYCLES": "", "ENERGY": ""}
    command = ["bash", "-eu", "-c", ". ./flow.sh; check_budget"]
    return subprocess.run(command, cwd=ROOT, env=env | settings, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"BUDGET": "0.5", "UNIT": "joules"}, "UNIT=joules: expected cycles, energy or flops"),
        ({"BUDGET": "0.5", "ENERGY": "0.4"}, "BUDGET=0.5: not beside CYCLES or ENERGY"),
    ],
)
def test_budgets_that_contradict_are_one_line(settings: dict[str, str], named: str) -> None:
    result = check_budget(**settings)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {named}") and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"BUDGET": "0.5"},
        {"BUDGET": "0.5", "UNIT": "energy"},
        {"CYCLES": "0.4", "ENERGY": "0.5"},
    ],
)
def test_budgets_of_either_form_pass(settings: dict[str, str]) -> None:
    assert check_budget(**settings).returncode == 0


def test_budget_is_half_of_the_cycles_unless_one_is_given() -> None:
    for given, expected in (((), "0.5"), (("ENERGY=0.4",), ""), (("BUDGET=0.3",), "0.3")):
        shown = make("-p", "-n", "help", *given).stdout
        (found,) = set(re.findall(r"^(?:override )?BUDGET :?= ?(.*)$", shown, re.M))
        assert found == expected, given


def test_bad_geometry_stops_before_anything_is_written(tmp_path: Path) -> None:
    if make("-q", "setup").returncode:
        pytest.skip("no .venv of `make setup`")
    result = make("synth-sim", "ROWS=12", f"OUT={tmp_path / 'out'}")
    assert result.returncode != 0
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert errors == ["error: rows=12: expected a power of two from 4 to 128; choose another ROWS"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"settings"}


def test_missing_interpreter_is_one_line(tmp_path: Path) -> None:
    result = make("setup", "PYTHON=python3.0", folder=fresh(tmp_path))
    assert result.returncode != 0
    assert result.stderr.splitlines()[0].startswith("error: python3.0: not found on PATH")
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("missing", ["perl", "g++"])
def test_missing_tool_is_one_line(tmp_path: Path, missing: str) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "perl", "make", "g++"):
        if name != missing:
            (tools / name).symlink_to(shutil.which(name) or name)
    (tools / "python3.11").symlink_to("/bin/true")
    result = make("setup", folder=fresh(tmp_path), path=str(tools))
    assert result.returncode != 0
    assert result.stderr.splitlines()[0].startswith(f"error: {missing}: not found on PATH")


def test_clean_removes_artifacts_only(tmp_path: Path) -> None:
    folder, out = fresh(tmp_path), tmp_path / "out"
    for name in ("report", "views"):
        (out / name).mkdir(parents=True)
    for name in ("network.json", "report/report.md", "views/masks.svg", "mine.txt"):
        (out / name).touch()
    (folder / "build" / "machines").mkdir(parents=True)
    assert make("clean", "OUT=out", folder=folder).returncode == 0
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    assert not (folder / "build" / "machines").exists()
