"""A sweep makes its runs by the program that it is: an outside package's rows stay."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

ADDS_A_ROW = """
import dataclasses
from node_transfer.models.backbones import BACKBONES

BACKBONES["MyNet"] = dataclasses.replace(BACKBONES["EfficientNetB0"], name="MyNet")
"""
ASK = """
import dataclasses, json
from node_transfer.cli import program
print(json.dumps(dataclasses.astuple(program.running("reproduce"))[:2]))
"""
OWN = [[sys.executable, "-m", "node_transfer"], ["node-transfer"]]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PROJECT)}


def python(*arguments, cwd):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd, capture_output=True, text=True, env=ENVIRONMENT, timeout=120,
    )  # fmt: skip


def test_the_runs_of_a_script_have_the_rows_of_its_package(tmp_path):
    """The run gets as far as its folder, which is not empty."""
    (tmp_path / "my_package.py").write_text(ADDS_A_ROW)
    (tmp_path / "mine.py").write_text(
        "import my_package\nfrom node_transfer.cli.main import main\n\nmain()\n"
    )
    (tmp_path / "out" / "seed-0" / "baseline").mkdir(parents=True)
    (tmp_path / "out" / "seed-0" / "baseline" / "thesis.tex").write_text("mine")
    flags = ("--preset=quickstart", "--models=baseline", "--output_dir=out")
    done = python("mine.py", "reproduce", *flags, "--backbone=MyNet", cwd=tmp_path)
    assert done.returncode == 2
    assert "FAILED: baseline, seed 0: The folder 'out/seed-0/baseline' is" in done.stderr
    record = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert record["commands"][0].startswith("python mine.py reproduce --preset=quickst")
    (run,) = record["runs"]
    assert run["command"].startswith("python mine.py train baseline ")
    assert "--backbone=MyNet" in run["command"]


@pytest.mark.parametrize(
    ("name", "call", "found"),
    [
        ("mine.py", ["mine.py", "reproduce"], [[sys.executable, "mine.py"], None]),
        ("mine.py", ["mine.py", "--seeds=0"], OWN),  # it stands for the command
        ("node-transfer", ["node-transfer", "reproduce"], OWN),
        (
            "mine.py",
            ["-m", "mine", "reproduce"],
            [[sys.executable, "-m", "mine"], ["python", "-m", "mine"]],
        ),
    ],
)
def test_the_program_of_a_run_is_the_one_that_was_started(name, call, found, tmp_path):
    (tmp_path / name).write_text(ASK)
    done = python(*call, cwd=tmp_path)
    process, typed = json.loads(done.stdout)
    if found[1] is None:
        assert process == [sys.executable, str(tmp_path / name)]
        assert typed == ["python", "mine.py"]
    else:
        assert [process, typed] == found
