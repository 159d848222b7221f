"""A run of three epochs of four, written without a training."""

import dataclasses

import numpy as np

from node_transfer.runs import admission
from node_transfer.runs.checkpoints import State
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.directory import RunDirectory
from node_transfer.training.state import state_to_go_on_from

IDENTITY = "a" * 64
ROWS = [
    {"epoch": i, "loss": 1 / i, "accuracy": 1 - 1 / (i + 2), "seconds": 0.125}
    for i in (1, 2, 3)
]


def state_after(epochs: int, identity: str = IDENTITY) -> State:
    arrays = [np.full((3, 2), epochs, np.float32), np.array(epochs)]
    return State(identity, ROWS[:epochs], arrays)


def begun(folder, **changes) -> tuple[RunDirectory, ExperimentConfig]:
    """Writes the run, and returns it with its config."""
    config = ExperimentConfig("trial", "none", epochs=4, output_dir=str(folder))
    config = dataclasses.replace(config, **changes)
    run = RunDirectory(folder)
    run.prepare(config, {"weights": {"initial_sha256": IDENTITY}})
    for epochs in (1, 2, 3):
        run.checkpoints.write(state_after(epochs))
        run.write_history(ROWS[:epochs])
    return RunDirectory(folder), config


def go_on(run: RunDirectory, config: ExperimentConfig):
    """Asks of a run's files what a training does before it goes on.

    Returns:
        The state, and what was wrong with the history, or `None`.
    """
    run.prepare(config, {"weights": {"initial_sha256": IDENTITY}})
    state = state_to_go_on_from(run, config.epochs)
    admission.check_space(run, 1000)
    return state, None if state is None else run.restore_history(state.history)


def tree(folder) -> dict:
    """Everything below a folder: names, and the bytes of files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
