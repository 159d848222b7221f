"""What a trained model's solver does for it: the same weights, solved in other ways."""

import statistics
import time

import keras
import numpy as np
import tensorflow as tf

from node_transfer.data.image_data import ImageData
from node_transfer.data.pipelines import evaluation_batches
from node_transfer.errors import UserError
from node_transfer.layers.ode_layer import ODELayer
from node_transfer.ode.solver import tableau_of
from node_transfer.training.evaluation import EVALUATION_BATCH_SIZE, failures_told

AS_TRAINED = "as trained"
TOLERANCES = tuple(10.0**k for k in range(-7, 1))


def sweep_solvers(
    model: keras.Model,
    data: ImageData,
    split: str = "test",
    tolerances: tuple[float, ...] = TOLERANCES,
    batch_size: int = EVALUATION_BATCH_SIZE,
) -> list[dict]:
    """Solves a trained model's block at other tolerances, by one step, and not at all.

    The backbone is computed once for each batch, and each way of solving runs on its
    features in turn. All but the first choose their first step anew for each batch.

    Args:
        model: A `TransferClassifier` with an `ODELayer`.
        data: The images.
        split: `"train"`, `"validation"` or `"test"`.
        tolerances: Values of rtol and atol, both at once.
        batch_size: Examples a batch.

    Returns:
        A dictionary for each way that could be solved: `solver` (its name), `rtol`
        (`None` where the method has none), `accuracy` (0 to 1), `changed` (predictions
        other than those of the model as it was trained), `nfe` (evaluations of f a
        batch, mean), `milliseconds` (of block and final layer, a batch, median),
        `images`.

    Raises:
        UserError: The model has no ODE block, or its ODE cannot be solved as trained.
    """
    if not isinstance(getattr(model, "block", None), ODELayer):
        raise UserError("The model has no ODE block whose solver could be changed.")
    ways = {name: _Way(model, block) for name, block in _blocks(model.block, tolerances)}

    @tf.function(autograph=False)
    def features_of(images):
        features = model.backbone(images, training=False)
        return model.pooling(features) if model.block_input == "pooled" else features

    labels = []
    for images, batch_labels in evaluation_batches(data, split, batch_size):
        features = features_of(images)
        labels.append(batch_labels.numpy())
        features.numpy()  # so that no way is timed while the backbone still runs
        for name, way in list(ways.items()):
            try:
                with failures_told():
                    way.take(features)
            except UserError:
                if name == AS_TRAINED:
                    raise
                del ways[name]  # a tolerance beyond the digits of float32
    labels = np.concatenate(labels)
    trained = next(iter(ways.values())).predicted
    return [{"solver": name, **way.row(labels, trained)} for name, way in ways.items()]


def _blocks(block: ODELayer, tolerances):
    """Yields names and blocks of the same weights; `None` stands for no block."""
    yield AS_TRAINED, block
    method = block.method if _is_adaptive(block) else "dopri5"
    for tolerance in tolerances:
        changes = {"rtol": tolerance, "atol": tolerance, "method": method}
        yield f"{tolerance:.0e}", _solved_otherwise(block, num_steps=None, **changes)
    yield "one step of RK4", _solved_otherwise(block, method="rk4", num_steps=1)
    yield "one step of Euler", _solved_otherwise(block, method="euler", num_steps=1)
    yield "without the block", None


def _solved_otherwise(block: ODELayer, *, num_steps: int | None, **changes) -> ODELayer:
    """A layer of its own with the block's weights, which remembers no step."""
    other = type(block).from_config({**block.get_config(), "remember_step": False})
    options = {**block.options.given(), "num_steps": num_steps}
    if num_steps:  # a fixed grid has none of these
        for name in ("per_sample", "norm", "min_step", "max_step", "interpolate"):
            options.pop(name, None)
    other.set_solver(**changes, options=options)
    other.build_from_config(block.get_build_config())
    other.set_weights(block.get_weights())
    other.forget_step()
    return other


def _is_adaptive(block: ODELayer) -> bool:
    tableau = tableau_of(block.method)
    return tableau is not None and tableau.adaptive


class _Way:
    """One way of solving a model's block, and what it gave so far."""

    def __init__(self, model: keras.Model, block: ODELayer | None):
        self._block, self._batches, self._seconds = block, [], []
        self._nfe = 0.0

        @tf.function(autograph=False)
        def logits_of(features):
            nfe = 0.0
            if block is not None:
                features = block(features, training=False)
                nfe = block.nfe.forward
            if model.block_input != "pooled":
                features = model.pooling(features)
            return model.head(features), nfe

        self._logits_of, self._seen = logits_of, set()

    def take(self, features) -> None:
        """Predicts a batch."""
        start = time.perf_counter()
        logits, nfe = (x.numpy() for x in self._logits_of(features))
        seconds = time.perf_counter() - start
        if features.shape in self._seen:  # else it was compiled meanwhile
            self._seconds.append(seconds)
        self._seen.add(features.shape)
        self._nfe = float(nfe)
        self._batches.append(np.argmax(logits, axis=-1))

    @property
    def predicted(self) -> np.ndarray:
        return np.concatenate(self._batches)

    def row(self, labels: np.ndarray, trained: np.ndarray) -> dict:
        """What it came to."""
        seconds = statistics.median(self._seconds) if self._seconds else None
        block = self._block
        return {
            "rtol": block.rtol if block is not None and _is_adaptive(block) else None,
            "accuracy": float(np.mean(self.predicted == labels)),
            "changed": int(np.sum(self.predicted != trained)),
            "nfe": self._nfe,
            "milliseconds": None if seconds is None else round(1e3 * seconds, 3),
            "images": len(labels),
        }
