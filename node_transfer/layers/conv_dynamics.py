"""Dynamics of a feature map."""

import keras
from keras import ops

from node_transfer.layers import activations


@keras.saving.register_keras_serializable(package="node_transfer")
class ConvDynamics(keras.layers.Layer):
    """The right-hand side of odenet_mnist: normalise, ReLU, convolve, twice.

    Group normalisation, ReLU and a 3x3 convolution whose input has the time as one more
    channel; the same again; and a last group normalisation.

    Args:
        filters: Channels between the two convolutions; `None`: those of the state.
        groups: Most groups of the normalisation; the largest divisor of the channels
            that this allows is taken.
        activation: In place of the ReLU: name or function.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        t: Scalar, the time.
        inputs: State, shape `(batch, height, width, channels)`.

    Returns:
        dh/dt, shaped and typed like the state.

    Example:

    >>> layer = ODELayer(ConvDynamics())
    >>> layer(tf.random.normal([2, 4, 4, 8])).shape
    TensorShape([2, 4, 4, 8])

    Reference: `ODEfunc` of examples/odenet_mnist.py in torchdiffeq, the code of Chen et
    al. (2018), arXiv:1806.07366, section 3.
    """

    time_channels = 1  # of each convolution's input

    def __init__(
        self,
        filters: int | None = None,
        groups: int = 32,
        activation="relu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if filters is not None and filters < 1:
            raise ValueError(f"filters is {filters}: pass a positive integer or None.")
        self.filters = filters
        self.groups = groups
        self.activation = activations.get(activation)

    def build(self, t_shape, inputs_shape):
        if len(inputs_shape) != 4:
            raise ValueError(
                f"{type(self).__name__} got a state of shape {tuple(inputs_shape)}: it "
                "needs a feature map (batch, height, width, channels)."
            )
        channels = inputs_shape[-1]
        inner = self.filters or channels
        batch_and_space = tuple(inputs_shape[:-1])
        self.norms = [self._norm(n) for n in (channels, inner, channels)]
        self.convolutions = [self._convolution(n) for n in (inner, channels)]
        for norm, n in zip(self.norms, (channels, inner, channels), strict=True):
            norm.build((*batch_and_space, n))
        for convolution, n in zip(self.convolutions, (channels, inner), strict=True):
            convolution.build((*batch_and_space, n + self.time_channels))

    def _norm(self, channels):
        groups = next(
            n for n in range(min(self.groups, channels), 0, -1) if channels % n == 0
        )
        return keras.layers.GroupNormalization(
            groups, epsilon=1e-5, dtype=self.dtype_policy
        )

    def _convolution(self, filters):
        return keras.layers.Conv2D(filters, 3, padding="same", dtype=self.dtype_policy)

    def call(self, t, inputs):
        time = ops.cast(t, self.compute_dtype) * ops.ones_like(inputs[..., :1])
        h = inputs
        for norm, convolution in zip(self.norms[:2], self.convolutions, strict=True):
            h = self.activation(norm(h))
            h = convolution(ops.concatenate([h, time], axis=-1))
        return self.norms[2](h)

    def compute_output_shape(self, t_shape, inputs_shape):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
        }
