"""The wheel holds all of the package; its names and types reach who installs it."""

import ast
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


@pytest.mark.slow
def test_an_installed_wheel_works_away_from_the_checkout(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    # The packages that it depends on, without those that are installed as editable.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    def said(*command):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where, version = said(python, "-c", IN_IT).split()
    assert Path(where).is_relative_to(site) and version == node_transfer.__version__
    command = tmp_path / "venv" / "bin" / "node-transfer"
    assert "reproduce" in said(command, "--help")
    sweep = PROJECT / "results" / "cifar10-cpu"
    shutil.copytree(sweep, tmp_path / "sweep")
    (tmp_path / "sweep" / "report.html").unlink()
    said(command, "reproduce", "--report_only", "--output_dir=sweep")
    assert (tmp_path / "sweep" / "report.html").stat().st_size > 100_000


def test_what_type_checkers_see_is_what_there_is():
    (typed,) = [
        node
        for node in ast.parse(Path(node_transfer.__file__).read_text()).body
        if isinstance(node, ast.If)
    ]
    homes = {alias.asname: line.module for line in typed.body for alias in line.names}
    assert homes == node_transfer._HOMES


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
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = [line.split(":")[1] for line in done.stdout.splitlines()]
    assert lines == ["4", "5"], done.stdout + done.stderr


def test_the_version_is_the_same_everywhere():
    citation = (PROJECT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {node_transfer.__version__}\n" in citation
    changes = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {node_transfer.__version__}" in changes
