"""The best epoch so far: its weights are kept, and training ends when it stays so."""

from collections.abc import Callable

import keras
import numpy as np

from node_transfer.errors import UserError
from node_transfer.runs.directory import RunDirectory
from node_transfer.training.workers import Workers

MONITOR = "val_accuracy"


def best_of(rows: list[dict[str, float]]) -> int:
    """Returns the epoch of the best validation accuracy, from 1; 0: there is none.

    Of several the first. It depends on the history alone, so that a run that goes on
    knows it as well as one that was never stopped.
    """
    accuracies = [row[MONITOR] for row in rows]
    return 1 + int(np.argmax(accuracies)) if accuracies else 0


def waited_enough(rows: list[dict[str, float]], patience: int, first_epoch: int) -> bool:
    """Whether so many epochs have brought nothing better.

    Args:
        rows: The history.
        patience: Epochs to wait; 0: for ever.
        first_epoch: The epochs before it, numbered from 0, are not waited in.
    """
    since = max(best_of(rows), first_epoch)
    return 0 < patience <= len(rows) - since


class KeepBest(keras.callbacks.Callback):
    """Keeps the weights of the best epoch so far beside the checkpoints.

    To be put before what takes the average of the weights out of the model again, when
    its evaluation is over.

    Args:
        run: Where to.
        rows: The history of the epochs before.
    """

    def __init__(self, run: RunDirectory, rows: list[dict[str, float]]):
        super().__init__()
        self._run, self._rows = run, rows

    def on_test_end(self, logs=None):
        now = {MONITOR: logs["accuracy"]}
        epoch = len(self._rows) + 1
        if best_of([*self._rows, now]) == epoch:
            arrays = [keras.ops.convert_to_numpy(v) for v in self.model.weights]
            self._run.checkpoints.write_best(epoch, arrays)


class StopEarly(keras.callbacks.Callback):
    """Ends the training of all workers where the chief has waited enough, or a callback
    before this one has ended the chief's.

    To be put after what adds an epoch to the history.

    Args:
        waited: Whether the chief has.
        workers: All of them.
    """

    def __init__(self, waited: Callable[[], bool], workers: Workers):
        super().__init__()
        self._waited, self._workers = waited, workers

    def on_epoch_end(self, epoch, logs=None):
        stop = self._workers.chief and (self.model.stop_training or self._waited())
        (stop,) = self._workers.from_chief([int(stop)])
        self.model.stop_training = bool(stop)


def restore_best(model: keras.Model, run: RunDirectory, epoch: int) -> None:
    """Gives a model the weights that it had after an epoch.

    Raises:
        UserError: They are not there, or are damaged.
    """
    arrays = run.checkpoints.read_best(epoch)
    if arrays is None:
        raise UserError(
            f"{str(run.checkpoints.path)!r} lacks the weights of epoch {epoch}, the best "
            "one: pass overwrite=True to start the run anew, or output_dir= with another "
            "folder."
        )
    for variable, array in zip(model.weights, arrays, strict=True):
        variable.assign(array)
