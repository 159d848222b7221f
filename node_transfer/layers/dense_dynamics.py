"""Dynamics of a state vector."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="node_transfer")
class DenseDynamics(keras.layers.Layer):
    """The right-hand side `f(t, h) = W2 act(W1 [h, t] + b1) + b2` of an ODE.

    The row of W1 that belongs to the time is a variable of its own, which saves the
    concatenation.

    Args:
        hidden_units: Width of the hidden layer.
        activation: Name or function. A smooth one, such as tanh, keeps the ODE easy to
            solve.
        kernel_initializer: Initializer of W1, its time row and W2.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        t: Scalar, the time.
        inputs: State, shape `(batch, ..., units)`.

    Returns:
        dh/dt, shaped and typed like the state.

    Example:

    >>> layer = ODELayer(DenseDynamics(hidden_units=128))
    >>> layer(tf.random.normal([32, 1280])).shape
    TensorShape([32, 1280])

    Reference: Chen et al. (2018), Neural Ordinary Differential Equations,
    arXiv:1806.07366, section 3.
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

    def build(self, t_shape, inputs_shape):
        units = inputs_shape[-1]

        def weight(name, shape, initializer):
            return self.add_weight(name=name, shape=shape, initializer=initializer)

        initializer = self.kernel_initializer
        self.hidden_kernel = weight(
            "hidden_kernel", (units, self.hidden_units), fresh(initializer)
        )
        self.time_kernel = weight(
            "time_kernel", (1, self.hidden_units), fresh(initializer)
        )
        self.hidden_bias = weight("hidden_bias", (self.hidden_units,), "zeros")
        self.output_kernel = weight(
            "output_kernel", (self.hidden_units, units), fresh(initializer)
        )
        self.output_bias = weight("output_bias", (units,), "zeros")

    def call(self, t, inputs):
        t = ops.cast(t, self.compute_dtype)
        offset = t * ops.squeeze(self.time_kernel, 0) + self.hidden_bias
        hidden = self.activation(ops.matmul(inputs, self.hidden_kernel) + offset)
        return ops.matmul(hidden, self.output_kernel) + self.output_bias

    def compute_output_shape(self, t_shape, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def fresh(initializer):
    """A copy with a seed of its own, so that no two weights start out alike."""
    return initializer.clone() if hasattr(initializer, "clone") else initializer
