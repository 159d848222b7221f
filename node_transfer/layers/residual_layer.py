"""The residual block, the ODE block's discrete counterpart."""

import keras

from node_transfer.layers.hidden_layer import OneHiddenLayer


@keras.saving.register_keras_serializable(package="node_transfer")
class ResidualLayer(OneHiddenLayer):
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

    def build(self, input_shape):
        units = input_shape[-1]
        self.hidden_kernel = self.add_kernel("hidden_kernel", (units, self.hidden_units))
        self.hidden_bias = self.add_bias("hidden_bias", self.hidden_units)
        self.output_kernel = self.add_kernel("output_kernel", (self.hidden_units, units))
        self.output_bias = self.add_bias("output_bias", units)

    def call(self, inputs):
        return inputs + self.through_hidden(inputs, self.hidden_bias) + self.output_bias

    def compute_output_shape(self, input_shape):
        return input_shape
