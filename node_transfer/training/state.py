"""The variables of a training, as a checkpoint has them, and back."""

import math

import keras
import numpy as np
import tensorflow as tf

from node_transfer.errors import UserError
from node_transfer.runs.checkpoints import KEPT, State
from node_transfer.runs.directory import RunDirectory


def variables_of(model: keras.Model) -> list[keras.Variable]:
    """Returns the variables that a training goes on with."""
    return [*model.weights, *model.optimizer.variables]


def arrays_of(model: keras.Model) -> list[np.ndarray]:
    """Returns the values of a compiled model's weights, then its optimizer's."""
    return [keras.ops.convert_to_numpy(variable) for variable in variables_of(model)]


def restore(model: keras.Model, arrays: list[np.ndarray], run: RunDirectory) -> None:
    """Gives a compiled model, its optimizer built, the values of `arrays_of`.

    Raises:
        UserError: They are those of another network.
    """
    variables = variables_of(model)
    kinds = [
        (tuple(v.shape), keras.backend.standardize_dtype(v.dtype)) for v in variables
    ]
    if [(array.shape, array.dtype.name) for array in arrays] != kinds:
        raise UserError(
            f"The checkpoint in {str(run.path)!r} is that of another network: pass "
            "overwrite=True to start the run anew, or output_dir= with another folder."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def state_to_go_on_from(run: RunDirectory, epochs: int) -> State | None:
    """Returns the state of a run's newest whole checkpoint; `None`: it has none yet.

    Args:
        run: The run, whose record has been written.
        epochs: How many it is to have.

    Raises:
        UserError: What is there is damaged, or is not this run's.
    """
    state = run.checkpoints.newest()
    if state is None:
        if run.history_path.exists():
            model = run.model_path
            keep = f"copy {model.name}, which may be whole, before you "
            raise UserError(
                f"{str(run.path)!r} has a history and no checkpoint to go on from: "
                f"{keep if model.is_file() else ''}pass overwrite=True to start the run "
                "anew, or output_dir= with another folder."
            )
        return None
    if state.run != run.read_start()["initial_sha256"] or state.epochs_done > epochs:
        raise UserError(
            f"The checkpoint in {str(run.path)!r} after epoch {state.epochs_done} is not "
            "one of this run: pass overwrite=True to start the run anew, or output_dir= "
            "with another folder."
        )
    return state


def bytes_on_disk(
    model: keras.Model, trains_more: bool = False, best: bool = False
) -> int:
    """Returns about what a run writes, in bytes: the checkpoints that are kept, one more
    while it takes the place of another, and the model.

    Args:
        model: Compiled, its optimizer built.
        trains_more: Whether a later stage trains all of it.
        best: Whether the weights of best epochs are kept too.
    """
    weights = sum(_bytes(v) for v in model.weights)
    optimizer = sum(_bytes(v) for v in model.optimizer.variables)
    if trains_more:
        optimizer *= weights / sum(_bytes(v) for v in model.trainable_weights)
    checkpoints = (KEPT + 1) * (weights + int(optimizer))
    return checkpoints + weights + (KEPT + 1) * weights * best


def _bytes(variable: keras.Variable) -> int:
    return math.prod(variable.shape) * tf.as_dtype(variable.dtype).size
