"""Batch normalization as one operation while a network is trained.

Keras 3 computes it by a dozen, each of which reads the whole batch and writes it, and a
dozen more for the gradient. TensorFlow has one for either. What they return is the same,
but for the variance, which TensorFlow's estimates of the population (as of n - 1 pixels)
and Keras's moving average takes as that of the batch. Over very many pixels its sums in
float32 are rounded more: a batch of 128 of 112x112 pixels has a variance to 1e-3, where
Keras's is to 1e-4. (Second derivatives differ: Keras's are without those of the mean.)
"""

import keras
import tensorflow as tf

from node_transfer.models.cpu_training import switch
from node_transfer.ode.failure import compiles_with_xla


def prepare(layer: keras.layers.Layer) -> None:
    """Makes a batch normalization one operation where `switch.is_quick`.

    It is one of Keras's own, of the channels of images, and not synchronized over
    replicas; else nothing is done. What XLA compiles is Keras's: there the variance is a
    difference of squares, of which nothing is left where the mean is large.
    """
    if _is_plain(layer):
        layer.call = _Normalization(layer)


def _is_plain(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.axis in (-1, 3)
        and layer.scale
        and layer.center
        and not layer.synchronized
        and not layer.renorm
        and layer.variable_dtype == "float32"
        and switch.may_replace(layer, "call", _Normalization)
    )


class _Normalization:
    """In place of a layer's `call`."""

    def __init__(self, layer: keras.layers.BatchNormalization):
        self._layer = layer

    def __call__(self, inputs, training=None, mask=None):
        layer = self._layer
        takes = mask is None and inputs.dtype == "float32" and len(inputs.shape) == 4
        quick = switch.is_quick() and not compiles_with_xla()
        if not (quick and training and layer.trainable and takes):
            return type(layer).call(layer, inputs, training=training, mask=mask)
        images = tf.convert_to_tensor(inputs)
        scale, offset = (tf.convert_to_tensor(v.value) for v in (layer.gamma, layer.beta))
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            images, scale, offset, epsilon=layer.epsilon
        )
        pixels = tf.size(images, tf.int64) // tf.size(scale, tf.int64)
        pixels = tf.cast(pixels, tf.float32)
        variance *= tf.maximum(pixels - 1.0, 1.0) / pixels
        for average, now in (
            (layer.moving_mean, mean),
            (layer.moving_variance, variance),
        ):
            kept = keras.ops.convert_to_tensor(average) * layer.momentum
            average.assign(kept + now * (1.0 - layer.momentum))
        return keras.ops.cast(outputs, layer.compute_dtype)
