"""1x1 convolutions as products of matrices while a network is trained.

On a CPU, TensorFlow takes the gradient of a convolution's input image by image. Where a
1x1 convolution has few pixels left, as in the later half of a network whose images are
small, that reads all of the kernel for each pixel: over one pixel, from 1,152 to 192
channels, it takes ten times as long as one product over the whole batch. (On a GPU
TensorFlow takes the product itself.)
"""

import keras
import tensorflow as tf

from node_transfer.models.cpu_training import switch


def prepare(layer: keras.layers.Layer) -> None:
    """Makes a 1x1 convolution a product of matrices where `switch.is_quick`.

    It is one of Keras's own `Conv2D`, without strides or groups; else nothing is done.
    Sums and rounding are as in TensorFlow's convolution; it is the gradient that gains.
    """
    if _is_pointwise(layer):
        layer.convolution_op = _Convolution(layer)


def _is_pointwise(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (1, 1)
        and layer.strides == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and switch.may_replace(layer, "convolution_op", _Convolution)
    )


class _Convolution:
    """In place of a layer's `convolution_op`."""

    def __init__(self, layer: keras.layers.Conv2D):
        self._layer = layer

    def __call__(self, inputs, kernel):
        if not switch.is_quick():
            return type(self._layer).convolution_op(self._layer, inputs, kernel)
        inputs, kernel = map(keras.ops.convert_to_tensor, (inputs, kernel))
        channels, filters = kernel.shape[2:]
        rows = tf.reshape(inputs, [-1, channels])
        products = tf.matmul(rows, tf.reshape(kernel, [channels, filters]))
        shape = tf.concat([tf.shape(inputs)[:-1], [filters]], axis=0)
        outputs = tf.reshape(products, shape)
        outputs.set_shape([*inputs.shape[:-1], filters])
        return outputs
