"""What happens after each epoch: the history and the checkpoint."""

import contextlib
import time
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from node_transfer.errors import UserError
from node_transfer.runs.checkpoints import State
from node_transfer.runs.directory import RunDirectory
from node_transfer.training.state import arrays_of

SEED_STATE = "seed_generator_state"  # how Keras ends the names of these variables


@contextlib.contextmanager
def board_failures_told(run: RunDirectory) -> Iterator[None]:
    """Turns TensorFlow's report that TensorBoard's files cannot be written into a
    `UserError`."""
    try:
        yield
    except tf.errors.OpError as error:
        path = str(run.tensorboard_path)
        if path not in str(error):
            raise
        reason = str(error).split("\n")[0].split("; ")[-1].split(" [Op:")[0]
        raise UserError(
            f"{path!r} cannot be written ({reason}): free some space and give the same "
            "command again, or pass output_dir= with another folder."
        ) from error


class SeedEpoch(keras.callbacks.Callback):
    """Makes the noise of dropout depend on the seed and the epoch's number alone.

    Keras does not save the state of its random number generators with a model's
    weights, so a training that goes on from a checkpoint would draw other noise.
    """

    def __init__(self, seed: int):
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch, logs=None):
        states = [v for v in self.model.variables if v.path.endswith(SEED_STATE)]
        for i, state in enumerate(states):
            rng = np.random.default_rng([self._seed, epoch, i])
            state.assign(rng.integers(0, 2**31, state.shape).astype(state.dtype))


class RecordEpoch(keras.callbacks.Callback):
    """Writes the state to go on from, its history within, then `history.csv`.

    Each is on the disk before it has its name, and the state first: whenever the process
    is killed or the power goes, a whole state is there, and `history.csv` can be made
    again from it. (Keras's `BackupAndRestore` writes weights and epoch into two files,
    which a kill between them leaves out of step.)

    Args:
        run: Where to.
        identity: What tells the run from others, see `State.run`.
        rows: The history so far, which each epoch adds a row to.
    """

    def __init__(self, run: RunDirectory, identity: str, rows: list[dict[str, float]]):
        super().__init__()
        self._run = run
        self._identity = identity
        self._rows = rows

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1}
        # Each metric, then the same on the validation split.
        row |= {k: float(v) for k, v in logs.items()}
        # A tensor first: under MirroredStrategy the rate is a variable of each replica.
        row["learning_rate"] = float(
            tf.convert_to_tensor(self.model.optimizer.learning_rate)
        )
        row["seconds"] = round(time.perf_counter() - self._start, 3)
        self._rows.append(row)
        stopped = bool(self.model.stop_training)
        state = State(self._identity, self._rows, arrays_of(self.model), stopped)
        self._run.checkpoints.write(state)
        self._run.write_history(self._rows)
