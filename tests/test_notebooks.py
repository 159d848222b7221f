"""The notebooks run, and are committed with the outputs of a run."""

import json
import re

import pytest

from tests.conftest import PROJECT

FOLDER = PROJECT / "notebooks"
KERAS, WORTH = (
    FOLDER / "node-block-in-your-keras-model.ipynb",
    FOLDER / "is-the-block-worth-it.ipynb",
)


def printed(notebook: dict) -> list[str]:
    """What each cell prints or shows as text, pictures left out."""
    return [
        "".join(output.get("text", output.get("data", {}).get("text/markdown", "")))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
        for output in cell["outputs"]
    ]


def committed(path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", [KERAS, WORTH], ids=lambda path: path.stem)
def test_notebooks_have_outputs_pictures_and_working_links(path):
    assert path.stat().st_size < 200_000
    notebook = committed(path)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    text = path.read_text(encoding="utf-8")
    assert "image/png" in text and '"stderr"' not in text and "/home/" not in text
    words = [c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown"]
    links = re.findall(r"\]\(([^)]+)\)", "\n".join(map("".join, words)))
    assert links and all((FOLDER / link).is_file() for link in links)


def test_what_is_said_of_the_runs_is_what_they_say():
    execute = pytest.importorskip("notebooks.execute", reason="needs the extra test")
    pytest.importorskip("ipykernel")
    assert printed(execute.executed(WORTH)) == printed(committed(WORTH))


@pytest.mark.slow
def test_the_block_in_a_keras_model_runs():
    execute = pytest.importorskip("notebooks.execute", reason="needs the extra test")
    pytest.importorskip("ipykernel")
    *_, difference, _, same = printed(execute.executed(KERAS))
    assert float(difference.split(":")[1]) < 1e-3
    assert same == "the same predictions, to the bit: True\n"
