"""A training that cannot come to anything is stopped and told, within the epoch."""

import contextlib
import math
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from node_transfer.errors import UserError
from node_transfer.runs.directory import RunDirectory
from node_transfer.training import provenance
from node_transfer.training.evaluation import SolveFailedError, failures_told
from node_transfer.training.workers import Workers

# A mean cross-entropy of so many nats: logits millions apart, and nothing learned.
BLOWN_UP = 1e6
BEFORE, AFTER = "before the first epoch", "after the last epoch"


class DivergenceError(Exception):
    """What went wrong, in a few words."""


class StopAtDivergence(keras.callbacks.Callback):
    """Raises `DivergenceError` at the step whose loss is not finite.

    Keras hands the mean of the epoch's losses so far to each callback as a Python float,
    and does so for the TensorBoard callback anyway, so that the check costs nothing: that
    mean is not finite from the step on whose loss is not. At the end of an epoch it also
    stops a mean above `BLOWN_UP`, and a validation loss that is not finite. To be put
    before what keeps the epoch.

    Attributes:
        place: Where the training is, in words.
    """

    def __init__(self):
        super().__init__()
        self.place = BEFORE
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch + 1
        self.place = f"at step 1 of epoch {self._epoch}"

    def on_train_batch_begin(self, batch, logs=None):
        self.place = f"at step {batch + 1} of epoch {self._epoch}"

    def on_train_batch_end(self, batch, logs=None):
        check_finite("the loss", logs["loss"], self.place)

    def on_test_begin(self, logs=None):
        self.place = f"in the validation after epoch {self._epoch}"

    def on_epoch_end(self, epoch, logs=None):
        if logs["loss"] > BLOWN_UP:
            raise DivergenceError(
                f"in epoch {self._epoch} the loss was {logs['loss']:.3g}"
            )
        check_finite("the loss", logs["val_loss"], self.place)


def check_finite(name: str, loss: float, place: str) -> None:
    """Raises `DivergenceError` where a loss is NaN or infinite."""
    if not math.isfinite(loss):
        raise DivergenceError(f"{place} {name} was {loss}")


@contextlib.contextmanager
def divergence_told(
    run: RunDirectory, workers: Workers, place: Callable[[], str] = lambda: BEFORE
) -> Iterator[None]:
    """Records a divergence, or a failed solve, and turns it into a `UserError`.

    A loss is of all workers, and each of them stops at it; a solve is of one of them,
    which leaves word of it, for the others find that it is gone.

    Args:
        run: The run that is trained within; the chief writes to it.
        workers: Those who train it.
        place: Says where the training is, when a solve fails.
    """
    try:
        with failures_told():
            yield
        return
    except DivergenceError as error:
        what = str(error)
        told = (
            f"The training diverged: {what}. Try a lower learning_rate= or clip_norm=1.0."
        )
    except SolveFailedError as error:
        what, told = f"{place()} an ODE could not be solved", str(error)
        workers.leave_word([what, told])
    except tf.errors.OpError:
        word = workers.word_left()
        if word is None:
            raise
        what, told = word
    if not workers.chief:
        raise UserError(told)
    kept = run.checkpoints.epochs_done
    run.write_divergence({"what": what, "epochs_kept": kept, "date": provenance.now()})
    raise UserError(
        f"{told} ({kept} whole epochs are kept in {run.path}; overwrite=True starts "
        "anew, with other settings.)"
    )
