"""Depthwise convolutions of the smallest images while a network is trained.

The last layers of a network whose images are small see one pixel, or two by two. There
most of a kernel sees no pixel at all, and TensorFlow's oneDNN takes the kernel's gradient
ten times as slowly as on an image of four by four. It is a few products.
"""

import keras
import tensorflow as tf

from node_transfer.models.cpu_training import switch

_LARGEST = 2  # pixels; from 3 on TensorFlow's own gradient is the faster one


def prepare(layer: keras.layers.Layer) -> None:
    """Gives a depthwise convolution a gradient by products where `switch.is_quick`.

    It is one of Keras's own `DepthwiseConv2D`, padded as "same", with one stride for
    both sides, and its images have at most 2x2 pixels; else nothing is done.
    """
    if _is_plain(layer):
        layer.call = _Convolution(layer)


def _is_plain(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.DepthwiseConv2D
        and layer.padding == "same"
        and layer.strides[0] == layer.strides[1]
        and layer.dilation_rate == (1, 1)
        and layer.depth_multiplier == 1
        and layer.data_format == "channels_last"
        and not layer.use_bias
        and switch.may_replace(layer, "call", _Convolution)
    )


class _Convolution:
    """In place of a layer's `call`."""

    def __init__(self, layer: keras.layers.DepthwiseConv2D):
        self._layer = layer

    def __call__(self, inputs):
        layer = self._layer
        if not (switch.is_quick() and _is_small(inputs)):
            return type(layer).call(layer, inputs)
        kernel = tf.convert_to_tensor(keras.ops.convert_to_tensor(layer.kernel))
        outputs = _convolved(layer.strides[0])(inputs, kernel)
        return outputs if layer.activation is None else layer.activation(outputs)


def _is_small(images: tf.Tensor) -> bool:
    """Also of a kind whose sums over a batch need no other kind to be taken in."""
    pixels = images.shape[1:3]
    return images.dtype in ("float32", "float64") and all(
        size is not None and 1 <= size <= _LARGEST for size in pixels
    )


def _convolved(stride: int):
    """TensorFlow's depthwise convolution, with a kernel's gradient by products."""
    how = {"strides": [1, stride, stride, 1], "padding": "SAME"}

    @tf.custom_gradient
    def convolution(images, kernel):
        def gradient(upstream):
            of_images = tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(images), filter=kernel, out_backprop=upstream, **how
            )
            return of_images, _kernel_gradient(images, upstream, kernel.shape, stride)

        return tf.nn.depthwise_conv2d(images, kernel, **how), gradient

    return convolution


def _kernel_gradient(images, upstream, shape, stride):
    """Sums over the batch, and over the pixels that each tap of the kernel sees."""
    rows = _seen(images.shape[1], shape[0], stride)
    columns = _seen(images.shape[2], shape[1], stride)
    taps = [
        tf.reduce_sum(images[:, y, x] * upstream[:, to_y, to_x], axis=[0, 1, 2])
        for y, to_y in rows.values()
        for x, to_x in columns.values()
    ]
    taps = tf.reshape(tf.stack(taps), [len(rows), len(columns), shape[2], shape[3]])
    unseen = [
        (min(seen), taps_ - 1 - max(seen))
        for seen, taps_ in zip((rows, columns), shape[:2], strict=True)
    ]
    return tf.pad(taps, [*unseen, (0, 0), (0, 0)])


def _seen(size: int, taps: int, stride: int) -> dict[int, tuple[slice, slice]]:
    """The pixels that each tap sees along one side, and the outputs that it adds to.

    Of at most two pixels: a stride of two or more leaves one output, so that what a tap
    sees is next to each other whatever the stride. Taps that see none are left out.
    """
    outputs = -(-size // stride)
    before = max((outputs - 1) * stride + taps - size, 0) // 2
    seen = {}
    for tap in range(taps):
        shift = tap - before  # of the pixel against the output, which it is at `stride`
        pairs = [
            (output * stride + shift, output)
            for output in range(outputs)
            if 0 <= output * stride + shift < size
        ]
        if pairs:
            (pixel, output), count = pairs[0], len(pairs)
            seen[tap] = slice(pixel, pixel + count), slice(output, output + count)
    return seen
