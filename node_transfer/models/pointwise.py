"""1x1 convolutions as products of matrices while a network is trained.

On a CPU, TensorFlow takes the gradient of a convolution's input image by image. Where a
1x1 convolution has few pixels left, as in the later half of a network whose images are
small, that reads all of the kernel for each pixel: over one pixel, from 1,152 to 192
channels, it takes ten times as long as one product over the whole batch. (On a GPU
TensorFlow takes the product itself.)
"""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import tensorflow as tf

_multiply = contextvars.ContextVar("multiply", default=False)


def prepare(network: keras.Model) -> None:
    """Makes a network's 1x1 convolutions do as `multiplied` says.

    Those are Keras's own `Conv2D`, without strides or groups. Config, weights and saved
    files stay as they are.
    """
    for layer in network._flatten_layers():
        if _is_pointwise(layer):
            layer.convolution_op = _Convolution(layer)


@contextlib.contextmanager
def multiplied() -> Iterator[None]:
    """Within it, prepared convolutions that run on the CPU are products of matrices.

    Sums and rounding are as in TensorFlow's convolution; it is the gradient that gains.
    """
    token = _multiply.set(not tf.config.get_visible_devices("GPU"))
    try:
        yield
    finally:
        _multiply.reset(token)


def is_multiplying() -> bool:
    """Whether what is called now is to be products, see `multiplied`."""
    return _multiply.get()


def _is_pointwise(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (1, 1)
        and layer.strides == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


class _Convolution:
    """In place of a layer's `convolution_op`."""

    def __init__(self, layer: keras.layers.Conv2D):
        self._layer = layer

    def __call__(self, inputs, kernel):
        if not is_multiplying():
            return type(self._layer).convolution_op(self._layer, inputs, kernel)
        inputs, kernel = map(keras.ops.convert_to_tensor, (inputs, kernel))
        channels, filters = kernel.shape[2:]
        rows = tf.reshape(inputs, [-1, channels])
        products = tf.matmul(rows, tf.reshape(kernel, [channels, filters]))
        shape = tf.concat([tf.shape(inputs)[:-1], [filters]], axis=0)
        outputs = tf.reshape(products, shape)
        outputs.set_shape([*inputs.shape[:-1], filters])
        return outputs
