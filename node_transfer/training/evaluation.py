"""Numbers of a saved model, each from one function."""

import contextlib
import time
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import scipy.special
import tensorflow as tf

from node_transfer.data.feature_data import FeatureData
from node_transfer.data.image_data import ImageData
from node_transfer.data.pipelines import evaluation_batches
from node_transfer.errors import UserError
from node_transfer.layers.ode_layer import ODELayer
from node_transfer.models.blocks import solver_options
from node_transfer.ode import failure
from node_transfer.runs.config import ExperimentConfig
from node_transfer.training.confusion import ConfusionMatrix
from node_transfer.training.per_class import rows_of

EVALUATION_BATCH_SIZE = 128


def batch_size_of(config: ExperimentConfig | None) -> int:
    """Returns how many images a run's model is evaluated on at a time: as many as it was
    trained on, which memory has room for, but no more than 128.

    Args:
        config: The run's; `None`: it is not known.
    """
    if config is None:
        return EVALUATION_BATCH_SIZE
    return min(EVALUATION_BATCH_SIZE, config.batch_size)


class SolveFailedError(UserError):
    """An ODE could not be solved; the message is the solver's sentence."""


@contextlib.contextmanager
def failures_told() -> Iterator[None]:
    """Turns a failed solve into a `SolveFailedError`."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        sentence = failure.sentence_of(error)
        if sentence is None:
            raise
        raise SolveFailedError(sentence) from None


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
        verbose: As in `keras.Model.evaluate`; 0 says nothing at all.

    Returns:
        `accuracy` (0 to 1), `mean_class_accuracy` (of the classes alike, however many
        images they have), `loss` (mean cross-entropy, nats), `nfe` (evaluations of f a
        solve, mean over batches; `None` without an ODE), `seconds`, `images_per_second`,
        without the first batch (`None` where there is one only), and `classes`, see
        `per_class.rows_of`.

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
    confusion = ConfusionMatrix(data.num_classes)
    model.compile(loss=loss(), metrics=["accuracy", confusion])
    return {
        split: _evaluate_compiled(model, data, split, batch_size, verbose, confusion)
        for split in splits
    }


def _evaluate_compiled(model, data, split, batch_size, verbose, confusion) -> dict:
    batches = evaluation_batches(data, split, batch_size)
    if verbose:
        print(f"Evaluating on the {data.sizes[split]} {split} images", flush=True)
    watch = _Stopwatch()
    start = time.perf_counter()
    with failures_told():
        results = model.evaluate(
            batches, verbose=verbose, return_dict=True, callbacks=[watch]
        )
    return {
        "accuracy": float(results["accuracy"]),
        "mean_class_accuracy": float(results[confusion.name]),
        "loss": float(results["loss"]),
        "nfe": evaluations_forward(model),
        "seconds": round(time.perf_counter() - start, 3),
        "images_per_second": watch.rate(data.sizes[split] - batch_size),
        "classes": rows_of(confusion.matrix.numpy(), data.class_names),
    }


class _Stopwatch(keras.callbacks.Callback):
    """Times an evaluation from the end of its first batch on, which makes functions."""

    def __init__(self):
        super().__init__()
        self._ends = []

    def on_test_batch_end(self, batch, logs=None):
        self._ends.append(time.perf_counter())

    def rate(self, images: int) -> float | None:
        """Returns images a second, of so many after the first batch."""
        if len(self._ends) < 2:
            return None
        return round(images / (self._ends[-1] - self._ends[0]), 1)


def evaluations_forward(model: keras.Model) -> float | None:
    """Evaluations of f a solve, mean over the batches that the model was last given in
    one `evaluate`, or in one epoch of `fit`; `None` without an ODE block."""
    block = getattr(model, "block", None)
    return float(block.nfe.forward) if isinstance(block, ODELayer) else None


def predict(
    model: keras.Model,
    data: ImageData,
    split: str,
    batch_size: int = EVALUATION_BATCH_SIZE,
    features: FeatureData | None = None,
) -> dict[str, np.ndarray]:
    """Predicts the classes of a split, in its fixed order.

    Args:
        model, data, split, batch_size: As in `evaluate`.
        features: Those of the images, to be taken in place of them, where they are known
            and the model is a `TransferClassifier`.

    Returns:
        Arrays of shape `(examples,)`: `predicted`, the class of the largest logit, and
        `label`, both in the smallest unsigned integer type that holds them;
        `probability` of the predicted class, float16; and `path`, of its file below the
        folder, where the images are in files. And of shape `(classes,)` `class_names`.

    Raises:
        UserError: An ODE could not be solved.
    """
    forward, inputs = model.predict_on_batch, data
    if features is not None:
        inputs = features
        forward = tf.function(model.classify, autograph=False, reduce_retracing=True)
    logits, labels = [], []
    for images, batch_labels in evaluation_batches(inputs, split, batch_size):
        with failures_told():
            logits.append(np.asarray(forward(images)))
        labels.append(batch_labels.numpy())
    logits, labels = np.concatenate(logits), np.concatenate(labels)
    dtype = np.min_scalar_type(data.num_classes - 1)
    files = {} if data.files is None else {"path": np.array(data.files[split])}
    return {
        "predicted": np.argmax(logits, axis=-1).astype(dtype),
        "label": labels.astype(dtype),
        "probability": scipy.special.softmax(logits.astype(np.float64), axis=-1)
        .max(axis=-1)
        .astype(np.float16),
        "class_names": np.array(data.class_names),
        **files,
    }


def change_solver(
    model: keras.Model,
    rtol: float | None = None,
    atol: float | None = None,
    method: str | None = None,
    num_steps: int | None = None,
) -> None:
    """Gives the model's ODE block other solver settings, which hold from now on.

    Args:
        model: A `TransferClassifier`.
        rtol, atol, method: What to change; `None` leaves it as it was.
        num_steps: Steps of a method on a fixed grid; `None` leaves them as they were, or
            takes the default of `ExperimentConfig` where the method before had none.

    Raises:
        ValueError: The model has no ODE block, or the settings do not go together.
    """
    block = getattr(model, "block", None)
    if not isinstance(block, ODELayer):
        raise ValueError(
            "The model has no ODE block whose solver could be changed: leave rtol=, "
            "atol=, method= and num_steps= out."
        )
    changes = None
    if num_steps is not None:
        changes = {"num_steps": num_steps}
    elif block.options.num_steps is None:
        changes = solver_options(method, ExperimentConfig.num_steps)
    options = {**block.options.given(), **changes} if changes else None
    block.set_solver(rtol=rtol, atol=atol, method=method, options=options)
