"""The house's own rules: imports point one way, and a file fits in the head."""

import ast
from pathlib import Path

import pytest

from tests.conftest import PROJECT

# A room to those that it may know; see docs/design.md.
KNOWS = {
    "ode": set(),
    "layers": {"ode"},
    "models": {"layers", "ode"},
    "data": set(),
    "runs": {"models", "ode"},
    "training": {"models", "data", "layers", "ode", "runs"},
    "analysis": {"models", "runs"},
    "reproduction": {"analysis", "models", "runs"},
    "serving": {"models", "data", "layers", "ode", "runs", "training"},
    "cli": {
        "analysis",
        "models",
        "ode",
        "reproduction",
        "runs",
        "serving",
        "training",
    },
}
PACKAGE = PROJECT / "node_transfer"


def rooms_imported(path: Path) -> set[str]:
    """The rooms that a file imports from, anywhere in it."""
    modules = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    parts = [module.split(".") for module in modules]
    return {p[1] for p in parts if p[0] == "node_transfer" and p[1:2] and p[1] in KNOWS}


def test_every_room_is_known_to_this_test():
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(KNOWS)


@pytest.mark.parametrize("room", KNOWS)
def test_imports_point_one_way(room):
    for path in (PACKAGE / room).rglob("*.py"):
        found = rooms_imported(path) - {room}
        assert found <= KNOWS[room], f"{path.name} imports from {found - KNOWS[room]}"


def test_no_file_is_longer_than_300_lines():
    files = [
        path
        for folder in ("node_transfer", "experiments", "benchmarks", "tests")
        for path in (PROJECT / folder).rglob("*.py")
    ]
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    assert {path.name: n for path, n in lengths.items() if n > 300} == {}


def test_rooms_without_tensorflow_import_none():
    for room in ("analysis", "runs", "reproduction"):
        for path in (PACKAGE / room).rglob("*.py"):
            text = path.read_text()
            assert "import tensorflow" not in text and "import keras" not in text, path
