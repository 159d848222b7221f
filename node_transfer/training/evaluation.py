"""Numbers of a saved model, each from one function."""

import time
from collections.abc import Sequence

import keras
import tensorflow as tf

from node_transfer.data.image_data import ImageData
from node_transfer.data.pipelines import evaluation_batches
from node_transfer.errors import UserError
from node_transfer.layers.ode_layer import ODELayer
from node_transfer.ode import failure
from node_transfer.training.build import solver_options

EVALUATION_BATCH_SIZE = 128


def loss():
    """The classifier's loss, from logits."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def evaluate(
    model: keras.Model,
    data: ImageData,
    split: str,
    batch_size: int = EVALUATION_BATCH_SIZE,
    verbose: int = 0,
) -> dict:
    """Evaluates a model on a split.

    Args:
        model: From images to logits. It is compiled anew.
        data: The images.
        split: `"train"`, `"validation"` or `"test"`.
        batch_size: Examples a batch. An adaptive solver chooses its steps for a whole
            batch, so results depend on it, within the tolerance.
        verbose: As in `keras.Model.evaluate`.

    Returns:
        `accuracy` (0 to 1), `loss` (mean cross-entropy, nats), `nfe` (evaluations of f a
        solve, mean over batches; `None` without an ODE), `seconds`.

    Raises:
        UserError: An ODE could not be solved.
    """
    return evaluate_splits(model, data, (split,), batch_size, verbose)[split]


def evaluate_splits(
    model: keras.Model,
    data: ImageData,
    splits: Sequence[str],
    batch_size: int = EVALUATION_BATCH_SIZE,
    verbose: int = 0,
) -> dict[str, dict]:
    """Returns what `evaluate` does, for each of the splits; the model is traced once."""
    model.compile(loss=loss(), metrics=["accuracy"])
    return {s: _evaluate_compiled(model, data, s, batch_size, verbose) for s in splits}


def _evaluate_compiled(model, data, split, batch_size, verbose) -> dict:
    batches = evaluation_batches(data, split, batch_size)
    start = time.perf_counter()
    try:
        results = model.evaluate(batches, verbose=verbose, return_dict=True)
    except tf.errors.InvalidArgumentError as error:
        sentence = failure.sentence_of(error)
        raise (UserError(sentence) if sentence else error) from None
    return {
        "accuracy": float(results["accuracy"]),
        "loss": float(results["loss"]),
        "nfe": float(results["nfe_forward"]) if "nfe_forward" in results else None,
        "seconds": round(time.perf_counter() - start, 3),
    }


def change_solver(model: keras.Model, rtol=None, atol=None, method=None, num_steps=4):
    """Returns the model with other solver settings, and the same weights.

    Args:
        model: A `TransferClassifier`.
        rtol, atol, method: What to change; `None` leaves it as it was.
        num_steps: Steps of a method on a fixed grid.

    Raises:
        ValueError: The model has no ODE block.
    """
    if not isinstance(getattr(model, "block", None), ODELayer):
        raise ValueError("The model has no ODE block whose solver could be changed.")
    config = model.get_config()
    block = config["block"]["config"]
    changes = {"rtol": rtol, "atol": atol, "method": method}
    block.update({k: v for k, v in changes.items() if v is not None})
    if method is not None:
        kept = {k: v for k, v in (block["options"] or {}).items() if k != "num_steps"}
        block["options"] = {**kept, **(solver_options(method, num_steps) or {})} or None
    changed = type(model).from_config(config)
    changed.set_weights(model.get_weights())
    changed.block.forget_step()  # it was right for another tolerance
    return changed
