"""The wheel holds all of the package; its names and types reach who installs it."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import node_transfer
from tests.conftest import PROJECT

BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist')"
IN_IT = "import node_transfer; print(node_transfer.__file__, node_transfer.__version__)"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel, built from a copy of what it is made of."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(PROJECT / name, folder)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "node_transfer", folder / "node_transfer", ignore=ignore)
    (folder / "dist").mkdir()
    subprocess.run([sys.executable, "-c", BUILD], cwd=folder, check=True)
    (found,) = (folder / "dist").glob("*.whl")
    return found


def test_a_wheel_has_every_file_of_the_package(wheel):
    expected = {
        path.relative_to(PROJECT).as_posix()
        for path in (PROJECT / "node_transfer").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (metadata,) = [n for n in names if n.endswith(".dist-info/METADATA")]
        said = file.read(metadata).decode()
    assert {n for n in names if n.startswith("node_transfer/")} == expected
    assert "node_transfer/py.typed" in names
    assert "node_transfer/analysis/report.html.j2" in names
    assert f"\nVersion: {node_transfer.__version__}\n" in said
    assert "\nLicense-Expression: MIT\n" in said and "# node-transfer\n" in said


class Installed:
    """A clean environment with the wheel, and a folder that commands run in."""

    def __init__(self, wheel: Path, folder: Path):
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        self.environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self.environ["PATH"] = f"{self.bin}{os.pathsep}{self.environ['PATH']}"
        venv.create(folder / "venv", with_pip=True)
        pip = ("python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
        self.run(*pip, str(wheel))
        (self.site,) = (folder / "venv").glob("lib/python*/site-packages")
        # What it depends on, without packages that are installed there as editable.
        (self.site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    def run(self, *command) -> str:
        """Runs a command; returns what it prints."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp("installed"))


@pytest.mark.slow
def test_an_installed_wheel_works_away_from_the_checkout(installed):
    where, version = installed.run("python", "-c", IN_IT).split()
    assert Path(where).is_relative_to(installed.site)
    assert version == node_transfer.__version__
    assert "reproduce" in installed.run("node-transfer", "--help")
    shutil.copytree(PROJECT / "results" / "cifar10-cpu", installed.folder / "sweep")
    report = installed.folder / "sweep" / "report.html"
    report.unlink()
    installed.run("node-transfer", "reproduce", "--report_only", "--output_dir=sweep")
    assert report.stat().st_size > 100_000


@pytest.mark.slow
def test_the_tutorial_goes_from_a_wheel_to_a_served_model(installed):
    tutorial = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(sh|python)\n(.*?)```", tutorial, re.DOTALL)
    *first, served = [code for kind, code in blocks if kind == "python"]
    installed.run("python", "-c", "\n".join(first))
    commands = "".join(code for kind, code in blocks[1:] if kind == "sh")
    assert commands.count("node-transfer ") == 4
    short = re.sub(r"--epochs=\d+", "--epochs=1", commands)
    printed = installed.run("bash", "-e", "-c", short)
    assert "my_images/zero" in printed
    name, probability = installed.run("python", "-c", served).split()
    assert name in ("zero", "one", "two") and 1 / 3 <= float(probability) <= 1


def test_what_type_checkers_see_is_what_there_is():
    (typed,) = [
        node
        for node in ast.parse(Path(node_transfer.__file__).read_text()).body
        if isinstance(node, ast.If)
    ]
    homes = {alias.asname: line.module for line in typed.body for alias in line.names}
    assert homes == {**node_transfer._HOMES, **node_transfer._HOMES_OF_TRAINED}


@pytest.mark.slow
def test_mypy_knows_the_public_names(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "use.py").write_text(
        "from node_transfer import DenseDynamics, ODELayer, load_data, odeint\n"
        "layer = ODELayer(DenseDynamics(8), rtol=1e-3, options={'max_num_steps': 9})\n"
        "data = load_data('digits', image_size=32)\n"
        "layer.set_solver(rtol='small')\n"
        "odeint(lambda t, y: -y, [1.0], [0.0, 1.0], atol='small')\n"
    )
    command = [
        sys.executable, "-m", "mypy", "--ignore-missing-imports", "--no-error-summary",
        "--follow-imports=silent", f"--cache-dir={tmp_path / 'cache'}", "use.py",
    ]  # fmt: skip
    # The path, since mypy does not follow the hook of an editable installation.
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "MYPYPATH": str(PROJECT)},
    )  # fmt: skip
    lines = [line.split(":")[1] for line in done.stdout.splitlines()]
    assert lines == ["4", "5"], done.stdout + done.stderr


def test_the_version_is_the_same_everywhere():
    citation = (PROJECT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {node_transfer.__version__}\n" in citation
    changes = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {node_transfer.__version__}" in changes
