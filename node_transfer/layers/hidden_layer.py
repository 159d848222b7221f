"""What a network of one hidden layer has, with the time in it or without."""

import keras
from keras import ops

from node_transfer.layers import activations


class OneHiddenLayer(keras.layers.Layer):
    """Constructor, config and weights of `W2 act(W1 h + b1) + b2`.

    Args:
        hidden_units: Width of the hidden layer.
        activation: Name, see `activations.get`, or function.
        kernel_initializer: Initializer of every kernel, each drawn by itself.
        **kwargs: Passed to `keras.layers.Layer`.

    Raises:
        ValueError: `hidden_units` is not positive.
    """

    def __init__(
        self,
        hidden_units: int,
        activation="tanh",
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if hidden_units < 1:
            raise ValueError(f"hidden_units is {hidden_units}: pass a positive integer.")
        self.hidden_units = hidden_units
        self.activation = activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def add_kernel(self, name: str, shape: tuple[int, int]) -> keras.Variable:
        """A kernel with a seed of its own, so that no two start out alike."""
        initializer = self.kernel_initializer
        if hasattr(initializer, "clone"):
            initializer = initializer.clone()
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def add_bias(self, name: str, units: int) -> keras.Variable:
        """A bias, zero at first."""
        return self.add_weight(name=name, shape=(units,), initializer="zeros")

    def through_hidden(self, inputs, hidden_bias):
        """`W2 act(W1 inputs + hidden_bias)`."""
        hidden = self.activation(ops.matmul(inputs, self.hidden_kernel) + hidden_bias)
        return ops.matmul(hidden, self.output_kernel)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
