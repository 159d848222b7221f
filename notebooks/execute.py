"""Executes the notebooks in place: python -m notebooks.execute"""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent


def executed(path: Path) -> nbformat.NotebookNode:
    """Returns a notebook with the outputs of a new run of all its cells.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # nothing of the machine
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [x for x in cell.outputs if x.get("name") != "stderr"]
    return notebook


if __name__ == "__main__":
    for notebook in sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(executed(notebook), notebook)
