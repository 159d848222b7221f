"""Dynamics of a state vector."""

import keras
from keras import ops

from node_transfer.layers.hidden_layer import OneHiddenLayer
from node_transfer.ode.problem import LowRankFunction


@keras.saving.register_keras_serializable(package="node_transfer")
class DenseDynamics(OneHiddenLayer):
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

    def build(self, t_shape, inputs_shape):
        units = inputs_shape[-1]
        self.hidden_kernel = self.add_kernel("hidden_kernel", (units, self.hidden_units))
        self.time_kernel = self.add_kernel("time_kernel", (1, self.hidden_units))
        self.hidden_bias = self.add_bias("hidden_bias", self.hidden_units)
        self.output_kernel = self.add_kernel("output_kernel", (self.hidden_units, units))
        self.output_bias = self.add_bias("output_bias", units)

    def call(self, t, inputs):
        t = ops.cast(t, self.compute_dtype)
        offset = t * ops.squeeze(self.time_kernel, 0) + self.hidden_bias
        return self.through_hidden(inputs, offset) + self.output_bias

    def low_rank(self, value) -> LowRankFunction | None:
        """The same function, for `ODELayer` to solve in the hidden layer's width.

        A method of this class alone: one that extends it may compute something else.

        Args:
            value: Gives the tensor of a weight.

        Returns:
            It; `None` where somebody put other methods in place of those it stands for.
        """
        methods = (getattr(f, "__func__", f) for f in (self.call, self.through_hidden))
        if tuple(methods) != _OF_LOW_RANK:
            return None

        def inner(t, z, time_kernel, hidden_bias):
            return self.activation(z + (t * time_kernel[0] + hidden_bias))

        return LowRankFunction(
            inner,
            into=value(self.hidden_kernel),
            out=value(self.output_kernel),
            bias=value(self.output_bias),
            others=[value(self.time_kernel), value(self.hidden_bias)],
        )

    def compute_output_shape(self, t_shape, inputs_shape):
        return inputs_shape


_OF_LOW_RANK = DenseDynamics.call, DenseDynamics.through_hidden
