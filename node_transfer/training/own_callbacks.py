"""Callbacks of the user's own, in a training that may have stages and be gone on with."""

from collections.abc import Sequence

import keras

from node_transfer.errors import UserError


def checked(
    callbacks: Sequence[keras.callbacks.Callback],
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks; raises `UserError` for what cannot be one of a run."""
    if isinstance(callbacks, keras.callbacks.Callback):
        raise UserError("callbacks is one callback: pass a list of them.")
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise UserError(
                f"callbacks has {callback!r}: pass objects of classes that extend "
                "keras.callbacks.Callback."
            )
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise UserError(
                "callbacks has a BackupAndRestore, which would put other weights in the "
                "place of those that the run goes on from: leave it out, a run that was "
                "stopped goes on by itself."
            )
    return list(callbacks)


def names_of(callbacks: Sequence[keras.callbacks.Callback]) -> list[str]:
    """Returns their classes, for a run's record: they may change what is computed."""
    return [f"{type(c).__module__}.{type(c).__qualname__}" for c in callbacks]


class OwnCallbacks(keras.callbacks.Callback):
    """Tells callbacks of a training as `keras.Model.fit` does.

    The stages of a training are one to them: it begins once and ends once, in a process.
    What they put into the logs stays among them.

    Args:
        callbacks: The callbacks, told in this order.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]):
        super().__init__()
        self._callbacks = callbacks
        self._begun = False
        self._last_logs: dict = {}

    def _tell(self, hook: str, *place, logs):
        logs = dict(logs)
        for callback in self._callbacks:
            getattr(callback, hook)(*place, logs)

    def set_params(self, params):
        super().set_params(params)
        for callback in self._callbacks:
            callback.set_params(params)

    def set_model(self, model):
        super().set_model(model)
        for callback in self._callbacks:
            callback.set_model(model)

    def on_train_begin(self, logs=None):
        if not self._begun:
            self._tell("on_train_begin", logs=logs)
        self._begun = True

    def on_train_end(self, logs=None):
        self._last_logs = logs

    def end(self) -> None:
        """Tells them that the training is over, where it has begun in this process."""
        if self._begun:
            self._tell("on_train_end", logs=self._last_logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._tell("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch, logs=None):
        self._tell("on_epoch_end", epoch, logs=logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._tell("on_train_batch_begin", batch, logs=logs)

    def on_train_batch_end(self, batch, logs=None):
        self._tell("on_train_batch_end", batch, logs=logs)

    def on_test_begin(self, logs=None):
        self._tell("on_test_begin", logs=logs)

    def on_test_end(self, logs=None):
        self._tell("on_test_end", logs=logs)

    def on_test_batch_begin(self, batch, logs=None):
        self._tell("on_test_batch_begin", batch, logs=logs)

    def on_test_batch_end(self, batch, logs=None):
        self._tell("on_test_batch_end", batch, logs=logs)
