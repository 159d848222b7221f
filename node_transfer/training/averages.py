"""Moving averages, of weights and of batch statistics, that an epoch is enough for."""

import keras

LEFT_OF_THE_START = 0.01  # of an average, an epoch later


def suited_momentum(momentum: float, steps_per_epoch: int) -> float:
    """Returns a momentum, lowered where an epoch has too few steps for it.

    With 0.99, Keras's for batch normalization, and 20 steps an epoch, four fifths of the
    first values are still there after an epoch and a third after five: such a network is
    at chance in validation while it learns well. So no more than a hundredth of what was
    there at an epoch's start is left at its end.
    """
    return min(momentum, LEFT_OF_THE_START ** (1 / steps_per_epoch))


def adapt_batchnorm(model: keras.Model, steps_per_epoch: int) -> None:
    """Lowers the momentum of every batch normalization, see `suited_momentum`."""
    for layer in _batch_normalizations(model):
        layer.momentum = suited_momentum(layer.momentum, steps_per_epoch)


def restore_momentum(model: keras.Model, as_built: keras.Model) -> None:
    """Gives batch normalizations the momentum that a network is built with.

    Args:
        model: A network whose momentum `adapt_batchnorm` has lowered, which is saved.
        as_built: The same network, built anew.
    """
    ours, theirs = _batch_normalizations(model), _batch_normalizations(as_built)
    if len(ours) == len(theirs):  # else it is another version of the user's own network
        for layer, other in zip(ours, theirs, strict=True):
            layer.momentum = other.momentum


def _batch_normalizations(model: keras.Model) -> list[keras.layers.Layer]:
    kind = keras.layers.BatchNormalization
    return [layer for layer in model._flatten_layers() if isinstance(layer, kind)]


def use_average(model: keras.Model) -> None:
    """Gives a model the average of its weights that its optimizer keeps, if it does."""
    model.optimizer.finalize_variable_values(model.trainable_variables)


class EvaluateAverage(keras.callbacks.Callback):
    """Has the model evaluated with the average of its weights, and trained without.

    Keras's `SwapEMAWeights` swaps by adding and subtracting, which rounds the weights at
    each evaluation; here those of the training come back to the bit.
    """

    def on_test_begin(self, logs=None):
        self._kept = [
            keras.ops.convert_to_numpy(v) for v in self.model.trainable_variables
        ]
        use_average(self.model)

    def on_test_end(self, logs=None):
        for variable, value in zip(
            self.model.trainable_variables, self._kept, strict=True
        ):
            variable.assign(value)
