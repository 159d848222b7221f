"""A trained model becomes a file that is served without this package."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from node_transfer import durable
from node_transfer.errors import UserError, first_line
from node_transfer.layers.ode_layer import ODELayer
from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.ode.solver import tableau_of
from node_transfer.serving import grid
from node_transfer.serving.comparison import (
    Difference,
    UnwritableError,
    answers,
    differences,
    largest_change,
    made_images,
)
from node_transfer.serving.formats import FORMATS, ExportFormat
from node_transfer.serving.opening import open_model
from node_transfer.serving.outputs import (
    check_labels,
    free_path,
    labels_of,
    labels_path,
)
from node_transfer.serving.served import image_spec
from node_transfer.training.saved_model import change_solver

BOUND = 1e-4
MADE_SIZE = 224  # of images to compare on, for a model that takes every size


@dataclasses.dataclass(frozen=True)
class Export:
    """What was written, and how it compares.

    Attributes:
        path: The file or folder.
        labels: The file with the names of the classes.
        solver: How the ODE is solved in it, in a few words.
        trained: How it was solved in training.
        solver_cost: The largest change of a probability that the solver in place of
            that of training costs; 0 where it is the same.
        differences: From Keras's predictions with the same solver, for each batch.
        why: Why the format did not get the solver of training; `None`: it did, or
            another was asked for.
    """

    path: Path
    labels: Path
    solver: str
    trained: str
    solver_cost: float
    differences: tuple[Difference, ...]
    why: str | None = None


def export(
    model: str | os.PathLike | TransferClassifier,
    output: str | os.PathLike,
    format: str = "saved_model",
    *,
    rtol: float | None = None,
    atol: float | None = None,
    method: str | None = None,
    num_steps: int | None = None,
    bound: float = BOUND,
    overwrite: bool = False,
) -> Export:
    """Writes a model that gives probabilities, for batches of any number of images.

    What is written is run in a process without this package, on made images, and beside
    Keras's predictions. It is put where `output` says if they agree, and not at all if
    they do not. Where a format cannot hold the model's solver, a method on a fixed grid
    takes its place, see `grid.solve_on_grid`.

    Args:
        model: A run directory, a `.keras` file, or a model, which stays as it is.
        output: The file, or the folder of a SavedModel.
        format: `"saved_model"`, `"tflite"` or `"onnx"`.
        rtol, atol, method, num_steps: Changes to the ODE block's solver; `None` leaves
            it.
        bound: The largest difference of a probability that is let pass.
        overwrite: Whether to replace what is there.

    Raises:
        UserError: The model cannot be had, or not be written so; it differs by more than
            the bound; or there is something at `output` already.

    Example:

    >>> written = export("results/runs/mine", "served/mine/1")
    >>> written.path.is_dir()
    True
    """
    row = _format(format)
    path = free_path(os.fspath(output), row.name, overwrite)
    model, class_names = open_model(model)
    labels = labels_path(path, row.name)
    check_labels(labels, class_names, overwrite)
    if not row.by_tensorflow and model.dtype_policy.name != "float32":
        raise UserError(
            f"The model computes in {model.dtype_policy.name}, which format={format!r} "
            "has no kernels for: pass format='saved_model'."
        )
    with _solver_kept(model):
        trained = grid.solver_told(model)
        spec = image_spec(model, row.by_tensorflow)
        batches = made_images(spec, model.image_size or MADE_SIZE)
        before = now = answers(model, spec, batches)
        asked = {"rtol": rtol, "atol": atol, "method": method, "num_steps": num_steps}
        change_solver(model, **asked)
        if grid.solver_told(model) != trained:
            now = answers(model, spec, batches)
        attempt = _Attempt(row, path, model, class_names, batches, bound)
        why = None
        try:
            found = attempt.write(now)
        except UnwritableError as error:
            if not isinstance(model.block, ODELayer) or method is not None:
                raise
            why = str(error)
            now = grid.solve_on_grid(model, spec, batches, before, bound)
            found = attempt.write(now)
        solver, cost = grid.solver_told(model), largest_change(before, now)
    return Export(path, labels, solver, trained, cost, tuple(found), why)


@dataclasses.dataclass(frozen=True)
class _Attempt:
    """Writing a model as it is now."""

    row: ExportFormat
    path: Path
    model: TransferClassifier
    class_names: tuple[str, ...]
    batches: list[np.ndarray]
    bound: float

    def write(self, expected: list[np.ndarray]) -> list[Difference]:
        """Writes the model, compares it, and gives it its name.

        Args:
            expected: What Keras says of the batches, solved as it is now.

        Raises:
            UserError: It could not be written, or differs by more than the bound.
        """
        with durable.written_aside(self.path, "output", users=True) as partial:
            self._write(partial)
            found = differences(self.row.name, partial, self.batches, expected)
            self._check(found)
            labels = labels_path(self.path, self.row.name)
            if not self.row.by_tensorflow:
                with durable.written_aside(labels, "output", users=True) as aside:
                    aside.write_bytes(labels_of(self.class_names))
                    durable.publish(aside, labels)
            durable.publish(partial, self.path)
        return found

    def _write(self, partial: Path) -> None:
        try:
            with _solver_kept(self.model):
                if not self.row.by_tensorflow:
                    _simplify(self.model.block)
                self.row.write(self.model, self.class_names, partial)
        except (UserError, OSError, ImportError):
            raise
        except Exception as error:  # the converters raise many kinds
            raise UnwritableError(
                f"The model cannot be written as format={self.row.name!r} with "
                f"{grid.solver_told(self.model)} ({first_line(error)}): pass another "
                "format=, or method= and num_steps= of a method on a fixed grid."
            ) from error

    def _check(self, found: list[Difference]) -> None:
        # NaN, which is neither more nor less than anything, is the worst of all.
        worst = max(found, key=lambda d: math.inf if math.isnan(d.largest) else d.largest)
        if not worst.largest <= self.bound:
            raise UserError(
                f"The export differs from Keras's predictions by {worst.largest:.1e} for "
                f"images of shape {worst.shape}, more than bound={self.bound:g}, and is "
                "not kept: pass another format=, or a larger bound=."
            )


@contextlib.contextmanager
def _solver_kept(model: TransferClassifier) -> Iterator[None]:
    """Gives the model's block its solver back, and the step sizes that it remembers."""
    block = model.block
    if not isinstance(block, ODELayer):
        yield
        return
    names = ("rtol", "atol", "method", "gradient", "options")
    solver = {name: getattr(block, name) for name in names}
    memories = (block.first_step, block.adjoint_first_step)
    remembered = [memory.numpy() for memory in memories]
    try:
        yield
    finally:
        block.set_solver(**solver)
        for memory, value in zip(memories, remembered, strict=True):
            memory.assign(value)


def _simplify(block) -> None:
    """Has an ODE block do the same with fewer kinds of operations.

    A solve that fails gives NaN in place of raising, and the first step that the block
    remembers becomes a number.
    """
    if not isinstance(block, ODELayer):
        return
    remembered = block.first_step.numpy()
    options = {**block.options.given(), "on_failure": "nan"}
    if block.remember_step and tableau_of(block.method) is not None:
        options.setdefault("first_step", float(remembered[0]))
    block.set_solver(options=options)
    block.first_step.assign(remembered)


def _format(name: str) -> ExportFormat:
    if name not in FORMATS:
        raise UserError(f"format is {name!r}: choose one of {', '.join(FORMATS)}.")
    return FORMATS[name]
