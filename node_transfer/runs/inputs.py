"""What a command is given to read, looked for before work is put into it.

Imports no TensorFlow, so that a wrong path is told at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from node_transfer.errors import UserError
from node_transfer.paths import check_weights_file, image_root
from node_transfer.runs.choices import WEIGHTS_WORDS
from node_transfer.runs.directory import RunDirectory
from node_transfer.runs.places import FOLDER

if TYPE_CHECKING:
    from node_transfer.runs.config import ExperimentConfig


def check_inputs(config: ExperimentConfig) -> None:
    """Raises `UserError` where a path of an experiment leads to nothing."""
    if config.dataset.startswith(FOLDER):
        image_root(config.dataset.removeprefix(FOLDER), config.data_dir)
    if config.init_from is not None:
        model_file(config.init_from)
    if config.weights is not None and config.weights not in WEIGHTS_WORDS:
        check_weights_file(config.weights)


def model_file(run_or_file: str | os.PathLike) -> str:
    """Returns the path of the model of a run directory, or of a `.keras` file.

    Raises:
        UserError: There is no such file.
    """
    path = os.fspath(run_or_file)
    run = RunDirectory(path)
    file = str(run.model_path) if os.path.isdir(path) else path
    if os.path.isfile(file):
        return file
    if not run.begun:
        raise UserError(
            f"There is no model file {file!r}: pass a run directory or the path of a "
            ".keras file."
        )
    if run.diverged:
        raise UserError(
            f"The run in {path!r} diverged ({run.diverged}) and has no model: pass a "
            "finished one."
        )
    raise UserError(
        f"The run in {path!r} is not finished and has no model yet: give the command "
        "that it was begun with again, and it goes on."
    )


def run_of_model(run_or_file: str | os.PathLike) -> RunDirectory | None:
    """Returns the run that a model is of, in whose folder it is; `None`: it is of none.

    Another program's `config.json` may lie beside a file.
    """
    if os.path.isdir(run_or_file):
        run = RunDirectory(run_or_file)
        return run if run.begun else None
    run = RunDirectory(os.path.dirname(run_or_file))
    return run if run.described else None
