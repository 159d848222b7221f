"""What the machines of one training say to each other beside the steps."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context  # its coordination service, not public

from node_transfer.errors import UserError
from node_transfer.runs.config import ExperimentConfig

# Fields that may differ from machine to machine, since they say where files are.
OF_A_MACHINE = ("data_dir", "output_dir")
# How TensorFlow tells one machine that another one is not there any more.
GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)
WORD, WORD_MS = "node_transfer/word", 1000  # a key of the coordination service


class Workers:
    """The processes that train one model together; of most strategies there is one.

    Each method that talks to the others is to be called by all of them, in one order.

    Args:
        strategy: The strategy, made.

    Attributes:
        strategy: The same.
        count: How many there are.
        index: Which of them this is; 0 is the chief.
        chief: Whether this is the one that writes files.
        replicas: How many replicas of the model there are in all.
        local_replicas: Which of them are in this process.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy = strategy
        self.count, self.index = 1, 0
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            cluster = strategy.cluster_resolver.cluster_spec()
            self.count = sum(cluster.num_tasks(job) for job in cluster.jobs)
            resolver = strategy.cluster_resolver
            self.index = resolver.task_id
            if resolver.task_type == "worker" and "chief" in cluster.jobs:
                self.index += 1
        self.chief = self.index == 0
        self.replicas = strategy.num_replicas_in_sync
        local = self.replicas // self.count
        self.local_replicas = range(self.index * local, (self.index + 1) * local)

    def from_chief(self, values: Sequence[int]) -> list[int]:
        """Returns the chief's whole numbers, at every one of them."""
        return self._from_chief(np.asarray(values, np.int64)).tolist()

    def wait(self) -> None:
        """Returns when all of them have come here."""
        self._sum(np.zeros(1, np.int64))

    def check_same(self, config: ExperimentConfig, num_examples: int) -> None:
        """Raises `UserError` where they were not given one experiment and its data.

        Args:
            config: The experiment.
            num_examples: Of the training split.
        """
        if self.count == 1:
            return
        fields = dataclasses.asdict(config) | dict.fromkeys(OF_A_MACHINE)
        text = json.dumps([fields, num_examples], sort_keys=True)
        digest = int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)
        digests = np.zeros(self.count, np.int64)
        digests[self.index] = digest
        others = np.flatnonzero(self._sum(digests) != digest).tolist()
        if others:
            raise UserError(
                f"Worker {self.index} was given another experiment, or other data, than "
                f"worker {others[0]}: give all of them the same command and the same "
                "data."
            )

    def hand_out(self, variables: Sequence[keras.Variable]) -> None:
        """Gives the variables the values that they have at the chief."""
        if self.count == 1:
            return
        arrays = [keras.ops.convert_to_numpy(variable) for variable in variables]
        for dtype in sorted({array.dtype.name for array in arrays}):
            ours = [i for i, array in enumerate(arrays) if array.dtype.name == dtype]
            flat = np.concatenate([arrays[i].ravel() for i in ours])
            parts = np.cumsum([arrays[i].size for i in ours])[:-1]
            for i, values in zip(
                ours, np.split(self._from_chief(flat), parts), strict=True
            ):
                variables[i].assign(values.reshape(arrays[i].shape))

    def _from_chief(self, values: np.ndarray) -> np.ndarray:
        return self._sum(values if self.chief else np.zeros_like(values))

    def _sum(self, values: np.ndarray) -> np.ndarray:
        if self.count == 1:
            return values
        return self.strategy.reduce("SUM", tf.constant(values), axis=None).numpy()

    def leave_word(self, word: list[str]) -> None:
        """Leaves word for the others of why this one ends; theirs comes first."""
        if self.count > 1:
            with contextlib.suppress(tf.errors.OpError):
                context.context().set_config_key_value(WORD, json.dumps(word))

    def word_left(self) -> list[str] | None:
        """Returns what another one left as it ended; `None`: nothing is known of it."""
        if self.count == 1:
            return None
        try:
            return json.loads(context.context().get_config_key_value(WORD, WORD_MS))
        except tf.errors.OpError:
            return None

    @contextlib.contextmanager
    def losses_told(self) -> Iterator[None]:
        """Turns TensorFlow's report that another worker is gone into a `UserError`."""
        try:
            yield
        except tf.errors.OpError as error:
            gone = isinstance(error, GONE) or "Collective ops is aborted" in str(error)
            if self.count == 1 or not gone:
                raise
            raise UserError(
                f"Worker {self.index} of {self.count} stopped, since another one ended "
                "or cannot be reached: see what that one says, then start the same "
                "command on all of them again, which goes on after the last whole epoch."
            ) from error
