"""What a training shows while it goes on."""

import keras

# What is in the history and not on the screen, where a line that wraps is drawn again and
# again: a terminal of 110 columns holds a bar, accuracy, loss and one count.
_LEFT_OUT = ("nfe_backward", "val_nfe_forward")
_SHORT = {"nfe_forward": "nfe"}


class Progress(keras.callbacks.ProgbarLogger):
    """Keras's own bar and lines, which of the evaluations of f show those forward."""

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, _narrow(logs))

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, _narrow(logs))


def _narrow(logs: dict | None) -> dict:
    return {
        _SHORT.get(name, name): value
        for name, value in (logs or {}).items()
        if name not in _LEFT_OUT
    }
