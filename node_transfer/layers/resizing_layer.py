"""The layer that gives images the size that a network takes."""

import keras

from node_transfer.ode.failure import compiles_with_xla
from node_transfer.resizing import WINDOWS, resized


@keras.saving.register_keras_serializable(package="node_transfer")
class ResizingLayer(keras.layers.Layer):
    """Images of any size, in one: see `node_transfer.resizing.resized`.

    Images that have the size pass as they are, at no cost where it is known when the
    graph is traced.

    Args:
        height, width: The size to have, in pixels.
        how: `"stretch"`; `"crop"`, to the largest part in the middle with the ratio of
            the size; `"pad"`, with black, to that ratio.
        name, dtype: As for every Keras layer. Scaling is computed in float32 always.

    Call arguments:
        inputs: Images, shape `(batch, any height, any width, channels)`.

    Returns:
        Shape `(batch, height, width, channels)`, of the dtype of the inputs.

    Raises:
        ValueError: `how` is none of these.
    """

    def __init__(self, height: int, width: int, how: str = "stretch", **kwargs):
        super().__init__(**kwargs)
        if how not in WINDOWS:
            raise ValueError(f"resize is {how!r}: choose one of {', '.join(WINDOWS)}.")
        self.height = height
        self.width = width
        self.how = how

    def call(self, inputs):
        size = (self.height, self.width)
        return resized(inputs, size, self.how, xla=compiles_with_xla())

    def get_config(self):
        own = {"height": self.height, "width": self.width, "how": self.how}
        return {**super().get_config(), **own}
