"""The fully connected block, which the ODE block stands in for."""

import keras
from keras import ops

from node_transfer.layers import activations


@keras.saving.register_keras_serializable(package="node_transfer")
class SameWidthDense(keras.layers.Layer):
    """A layer `act(W h + b)` whose output is as wide as its input.

    That is `keras.layers.Dense` with as many units as there are channels: the paper's
    fully connected layer, which the ODE block has fewer parameters than. Of 1280 channels
    it has 1,639,680, and the ODE block with 128 hidden units 329,216.

    Args:
        activation: Name or function.
        kernel_initializer: Initializer of W.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape: `(batch, ..., units)`.

    Output shape: the same.

    Example:

    >>> model = keras.Sequential([keras.Input([20]), SameWidthDense()])

    Reference: Rajath, Aithal & Natarajan, Transfer Learning using Neural Ordinary
    Differential Equations, section III.
    """

    def __init__(self, activation="tanh", kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        units = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel", shape=(units, units), initializer=self.kernel_initializer
        )
        self.bias = self.add_weight(name="bias", shape=(units,), initializer="zeros")

    def call(self, inputs):
        return self.activation(ops.matmul(inputs, self.kernel) + self.bias)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "activation": activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
