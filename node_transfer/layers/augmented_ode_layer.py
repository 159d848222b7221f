"""The augmented ODE block."""

import numbers

import keras
from keras import ops

from node_transfer.layers.context import is_shape
from node_transfer.layers.ode_layer import ODELayer


@keras.saving.register_keras_serializable(package="node_transfer")
class AugmentedODELayer(ODELayer):
    """An ODE block whose state is its input and p channels more, which start at zero.

    Trajectories of an ODE do not cross, so that there are functions of h that no ODE of
    the same width is; with room beside h they go around each other. The output is the
    whole state, p channels wider than the input, and what follows learns which of it to
    use, as in the published code: nothing is cut back.

    Args:
        dynamics: As in `ODELayer`, of a state of `channels + augment_channels`.
        augment_channels: The p of the paper, added on the last axis.
        **kwargs: As in `ODELayer`.

    Call arguments: as in `ODELayer`.

    Output shape: that of `ODELayer`, with `augment_channels` more on the last axis.

    Raises:
        ValueError: As `ODELayer`, or `augment_channels` is not positive.

    Example:

    >>> block = AugmentedODELayer(DenseDynamics(hidden_units=64), augment_channels=5)
    >>> block(tf.random.normal([32, 20])).shape
    TensorShape([32, 25])

    Reference: Dupont, Doucet & Teh (2019), Augmented Neural ODEs, arXiv:1904.01681,
    section 4; of images the channels are augmented, section 5.2.
    """

    def __init__(self, dynamics, augment_channels: int, **kwargs):
        super().__init__(dynamics, **kwargs)
        if not isinstance(augment_channels, numbers.Integral) or augment_channels < 1:
            raise ValueError(
                f"augment_channels is {augment_channels}: pass a positive integer, or "
                "use ODELayer."
            )
        self.augment_channels: int = int(augment_channels)

    def build(self, inputs_shape, context_shape=None):
        if is_shape(inputs_shape):  # else the layer says what is wrong with it
            inputs_shape = self._augmented(inputs_shape)
        super().build(inputs_shape, context_shape)

    def call(self, inputs, context=None, training=False, mask=None):
        if mask is None:
            mask = getattr(inputs, "_keras_mask", None)
        unpadded = [[0, 0]] * (len(inputs.shape) - 1)
        state = ops.pad(inputs, [*unpadded, [0, self.augment_channels]])
        return super().call(state, context, training, mask)

    def compute_output_shape(self, inputs_shape, context_shape=None):
        return super().compute_output_shape(self._augmented(inputs_shape), context_shape)

    def _augmented(self, shape) -> tuple[int | None, ...]:
        return (*shape[:-1], shape[-1] + self.augment_channels)

    def get_config(self):
        return {**super().get_config(), "augment_channels": self.augment_channels}
