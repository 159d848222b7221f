"""Whether a run may be made in a folder, asked before work is put into it.

Imports no TensorFlow.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from node_transfer import durable
from node_transfer.errors import UserError
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.places import FOLDER, place_of

if TYPE_CHECKING:
    from node_transfer.runs.directory import RunDirectory


def check_free(run: RunDirectory, config: ExperimentConfig) -> None:
    """Raises `UserError` where a run may not be begun, nor gone on with.

    Args:
        run: Its folder, which may not be there yet.
        config: The experiment.
    """
    name = str(run.path)
    if run.path.exists() and not run.path.is_dir():
        raise UserError(
            f"The run directory {name!r} is a file: pass output_dir= with a folder."
        )
    if config.init_from and _is_in(config.init_from, run):
        raise UserError(
            f"init_from is {config.init_from!r}, the run directory itself, which this "
            "run would replace: pass output_dir= with another folder."
        )
    if not run.begun:
        check_outside_images(run, config)
    described = run.begun and isinstance(run.read_config().get("experiment"), dict)
    if not described and not run.holds_nothing:
        raise UserError(
            f"The folder {name!r} is not empty and not a run: pass output_dir= with "
            "another folder."
        )
    if config.overwrite:
        return
    if run.finished:
        run.check_model()
        there = run.read_experiment().dataset
        other = there != config.dataset
        on = f" on {there!r}, where this one is on {config.dataset!r}" if other else ""
        raise UserError(
            f"{name!r} holds a finished run{on}: pass overwrite=True to replace it, or "
            f"output_dir= with another folder (and init_from={name!r} to train its model "
            "on)."
        )
    if run.diverged:
        raise UserError(
            f"{name!r} holds a run that diverged ({run.diverged}): pass overwrite=True "
            "with a lower learning_rate= or clip_norm=1.0, or output_dir= with another "
            "folder."
        )


def check_outside_images(run: RunDirectory, config: ExperimentConfig) -> None:
    """Raises `UserError` where a run would be made within its folder of images.

    All folders there are looked through for images, such as a comparison's figure, and
    beside folders of splits none may be. What is hidden is passed over, so a run may be.
    """
    if not config.dataset.startswith(FOLDER):
        return
    root = Path(place_of(config.dataset, config.data_dir).removeprefix(FOLDER))
    for place in (os.path.realpath, os.path.abspath):  # by links, and as it is written
        path = Path(place(run.path))
        if root in path.parents and not any(
            part.startswith(".") for part in path.relative_to(root).parts
        ):
            raise UserError(
                f"The run directory {str(run.path)!r} is inside the folder of images "
                f"{str(root)!r}, all of whose folders are looked through for images: "
                "pass output_dir= with a folder elsewhere."
            )


def check_same(run: RunDirectory, config: ExperimentConfig) -> None:
    """Raises `UserError` where the folder has an unfinished run of another config."""
    difference = run.difference(config)
    if difference:
        raise UserError(
            f"{str(run.path)!r} holds an unfinished run with {difference}: pass what it "
            "was begun with to go on with it, overwrite=True to replace it, or "
            "output_dir= with another folder."
        )


def check_space(run: RunDirectory, needed: int) -> None:
    """Tries whether a training's files can be written, before its first epoch.

    Args:
        run: Its folder, which is there.
        needed: Bytes that the files take; what the folder holds already counts.

    Raises:
        UserError: There is too little space, or no permission.
    """
    folder = run.checkpoints.path
    for path in (folder, run.tensorboard_path):
        durable.make_folder(path)
    with durable.written_aside(folder / "trial") as trial:
        trial.write_bytes(b"x")
    held = sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file())
    free = shutil.disk_usage(run.path).free
    if free + held < needed:
        raise UserError(
            f"The run needs about {_mib(needed)} for its checkpoints and its model, and "
            f"{str(run.path)!r} has {_mib(free)} free: free some space, or pass "
            "output_dir= with another folder."
        )


def _is_in(start: str, run: RunDirectory) -> bool:
    """Whether a run or a model file to start from is that of this folder."""
    start = os.path.realpath(start)
    return os.path.realpath(run.path) in (start, os.path.dirname(start))


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
