"""The residual block, the ODE block's discrete counterpart."""

import keras
from keras import ops

from node_transfer.layers.dense_dynamics import fresh


@keras.saving.register_keras_serializable(package="node_transfer")
class ResidualLayer(keras.layers.Layer):
    """A layer whose output is `h + W2 act(W1 h + b1) + b2`.

    It is one step of Euler's method, of size 1 and from t = 0, through the ODE of
    `DenseDynamics`.

    Args:
        hidden_units: Width of the hidden layer.
        activation: Name or function.
        kernel_initializer: Initializer of W1 and W2.
        **kwargs: Passed to `keras.layers.Layer`.

    Input shape: `(batch, ..., units)`.

    Output shape: the same.

    Raises:
        ValueError: `hidden_units` is not positive.

    Example:

    >>> model = keras.Sequential([keras.Input([20]), ResidualLayer(hidden_units=64)])

    Reference: He, Zhang, Ren & Sun (2016), Identity Mappings in Deep Residual Networks,
    arXiv:1603.05027, equation 1; Chen et al. (2018), arXiv:1806.07366, equation 1.
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
        self.activation = keras.activations.get(activation)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        units = input_shape[-1]

        def weight(name, shape, initializer):
            return self.add_weight(name=name, shape=shape, initializer=initializer)

        first, second = (fresh(self.kernel_initializer) for _ in range(2))
        self.hidden_kernel = weight("hidden_kernel", (units, self.hidden_units), first)
        self.hidden_bias = weight("hidden_bias", (self.hidden_units,), "zeros")
        self.output_kernel = weight("output_kernel", (self.hidden_units, units), second)
        self.output_bias = weight("output_bias", (units,), "zeros")

    def call(self, inputs):
        hidden = ops.matmul(inputs, self.hidden_kernel) + self.hidden_bias
        step = ops.matmul(self.activation(hidden), self.output_kernel)
        return inputs + step + self.output_bias

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
