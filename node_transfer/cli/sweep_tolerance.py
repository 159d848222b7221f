"""Solves a trained model's ODE block in other ways: what its solver does for it.

    node-transfer sweep-tolerance --model=results/runs/cifar10/node_rk

At tolerances from 1e-7 to 1, by one step of RK4 and of Euler, and without the block, all
with the same weights: accuracy, predictions changed, evaluations of f, milliseconds.
Prints the table, and writes it with its figure into the folder solver_sweep of the run.
"""

import contextlib
import json
import os
import re
from pathlib import Path

from absl import flags as absl_flags

from node_transfer import durable
from node_transfer.cli import flags, startup
from node_transfer.cli.command_line import Command
from node_transfer.errors import UserError
from node_transfer.runs.inputs import model_file


def define_flags() -> None:
    """Defines the flags of `node-transfer sweep-tolerance`."""
    absl_flags.DEFINE_string(
        "model", None, "A run directory, or a saved .keras file.", required=True
    )
    absl_flags.DEFINE_enum(
        "split", "test", ["train", "validation", "test"], "The images to solve on."
    )
    flags.define_batch_size_of_evaluation()
    absl_flags.DEFINE_string(
        "output_dir",
        None,
        "Folder for table and figure. Default: solver_sweep beside the model, of other "
        "images than the test's or the run's one with their name.",
    )
    flags.define_data_flags(None)


def _name_of_folder() -> str:
    """Other images have a folder of their own: the claims are judged by the test's."""
    values = absl_flags.FLAGS
    others = [values.split] if values.split != "test" else []
    others += [values.dataset] if values.dataset is not None else []
    return "-".join(["solver_sweep", *(re.sub(r"\W+", "_", name) for name in others)])


def sweep() -> None:
    """Sweeps over the solvers of the model that the flags name."""
    values = absl_flags.FLAGS
    model = values.model
    model_file(model)  # before TensorFlow, which takes seconds
    beside = model if os.path.isdir(model) else os.path.dirname(model) or "."
    folder = values.output_dir or os.path.join(beside, _name_of_folder())
    was_there = os.path.isdir(folder)
    durable.make_folder(Path(folder))  # before the work, too
    startup.load_tensorflow()
    from node_transfer.analysis import solver_sweep
    from node_transfer.training.saved_model import sweep_saved

    try:
        rows = sweep_saved(
            model,
            dataset=values.dataset,
            data_dir=values.data_dir,
            split=values.split,
            batch_size=values.batch_size,
        )
    except UserError:
        if not was_there:
            with contextlib.suppress(OSError):  # it holds something by now
                os.rmdir(folder)
        raise
    table = solver_sweep.table(rows)
    print(table.text())
    solver_sweep.draw(rows, os.path.join(folder, "solver_sweep"))
    for ending, text in (
        ("json", json.dumps(rows, indent=1) + "\n"),
        ("md", table.markdown()),
        ("csv", table.csv()),
    ):
        durable.write_text(Path(folder, f"solver_sweep.{ending}"), text)
    print(f"Written to {folder}")


COMMAND = Command(__doc__, define_flags, sweep, extra="all")
