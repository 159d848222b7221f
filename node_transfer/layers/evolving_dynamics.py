"""Dynamics whose weights move in time, for the coupled ODE block."""

import keras
from keras import ops

from node_transfer.layers.conv_dynamics import ConvDynamics
from node_transfer.layers.hidden_layer import OneHiddenLayer
from node_transfer.layers.weight_evolution import WeightEvolution


@keras.saving.register_keras_serializable(package="node_transfer")
class EvolvingDenseDynamics(OneHiddenLayer):
    """`f(t, h) = W2(t) act(W1(t) h + b1(t)) + b2`, whose W1, b1 and W2 follow an ODE.

    Two of `WeightEvolution`, one of W1 and b1, one of W2, each along the hidden units.
    There C(t) W is C(t) applied to the hidden layer, which costs a matrix of
    `hidden_units` squared in place of one as large as W. The time is in the weights
    alone.

    Args:
        hidden_units, activation, kernel_initializer, **kwargs: As in `DenseDynamics`.

    Call arguments:
        t: Scalar, the time.
        inputs: State, shape `(batch, ..., units)`.

    Returns:
        dh/dt, shaped and typed like the state.

    Example:

    >>> layer = ODELayer(EvolvingDenseDynamics(hidden_units=16))
    >>> layer(tf.random.normal([32, 20])).shape
    TensorShape([32, 20])

    Reference: see `WeightEvolution`.
    """

    def build(self, t_shape, inputs_shape):
        units = inputs_shape[-1]
        self.hidden_kernel = self.add_kernel("hidden_kernel", (units, self.hidden_units))
        self.hidden_bias = self.add_bias("hidden_bias", self.hidden_units)
        self.output_kernel = self.add_kernel("output_kernel", (self.hidden_units, units))
        self.output_bias = self.add_bias("output_bias", units)
        self.hidden_evolution, self.output_evolution = _evolutions(
            self.hidden_units, self.dtype_policy
        )

    def call(self, t, inputs):
        hidden = ops.matmul(inputs, self.hidden_kernel) + self.hidden_bias
        hidden = ops.matmul(hidden, ops.transpose(self.hidden_evolution(t)))
        hidden = ops.matmul(self.activation(hidden), self.output_evolution(t))
        return ops.matmul(hidden, self.output_kernel) + self.output_bias

    def compute_output_shape(self, t_shape, inputs_shape):
        return inputs_shape


@keras.saving.register_keras_serializable(package="node_transfer")
class EvolvingConvDynamics(ConvDynamics):
    """`ConvDynamics` whose convolutions follow an ODE, in place of a channel of the time.

    As in `EvolvingDenseDynamics`, along the filters between the two convolutions.

    Args:
        filters, groups, activation, **kwargs: As in `ConvDynamics`.

    Call arguments, returns: as in `ConvDynamics`.

    Example:

    >>> layer = ODELayer(EvolvingConvDynamics(filters=4), rtol=1e-3, atol=1e-3)
    >>> layer(tf.random.normal([2, 4, 4, 8])).shape
    TensorShape([2, 4, 4, 8])

    Reference: see `WeightEvolution`.
    """

    time_channels = 0

    def build(self, t_shape, inputs_shape):
        super().build(t_shape, inputs_shape)
        self.hidden_evolution, self.output_evolution = _evolutions(
            self.filters or inputs_shape[-1], self.dtype_policy
        )

    def call(self, t, inputs):
        first, second, last = self.norms
        h = self.convolutions[0](self.activation(first(inputs)))
        h = ops.matmul(h, ops.transpose(self.hidden_evolution(t)))
        h = ops.matmul(self.activation(second(h)), self.output_evolution(t))
        return last(self.convolutions[1](h))


def _evolutions(units: int, dtype) -> list[WeightEvolution]:
    """One for the weights into the hidden units, one for those out of them; built."""
    evolutions = [
        WeightEvolution(units, dtype=dtype, name=name)
        for name in ("hidden_evolution", "output_evolution")
    ]
    for evolution in evolutions:
        evolution.build(())
    return evolutions
