"""The one way in which images take another size, in a pipeline and in a model."""

from collections.abc import Callable
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

Size: TypeAlias = tuple[int, int] | tf.Tensor
Scale: TypeAlias = Callable[[tf.Tensor, Size], tf.Tensor]


def resized(
    images: tf.Tensor | np.ndarray,
    size: tuple[int, int],
    how: str = "stretch",
    xla: bool = False,
) -> tf.Tensor:
    """Returns images in another size: bilinear, with a wider filter to scale down.

    Images of whole levels, as files have them, become images of whole levels, so that it
    is the same whether they are scaled before they are stored as uint8 or in a model.
    Images that have the size stay as they are, to the bit.

    Args:
        images: Shape `(..., height, width, channels)`, of rank 3 or 4 and any numbers;
            height and width need not be known before the graph runs.
        size: Height and width to have, in pixels.
        how: A key of `WINDOWS`.
        xla: Whether XLA compiles what is traced, which has no kernel for
            `tf.image.resize`; the same weights are then summed in float64.

    Returns:
        Shape `(..., *size, channels)`, of the dtype of `images`.
    """
    images = tf.convert_to_tensor(images)
    if tuple(images.shape[-3:-1]) == tuple(size):
        return images
    # A photograph of bytes stays bytes until it is small: as floats it is four times it.
    levels = images if images.dtype == tf.uint8 else tf.cast(images, tf.float32)
    scaled = WINDOWS[how](levels, size, _summed if xla else _scaled)
    whole = images.dtype.is_integer or tf.reduce_all(
        levels == tf.round(levels), axis=(-3, -2, -1), keepdims=True
    )
    # The difference alone is rounded away, so that gradients pass to the images.
    rounding = tf.where(whole, tf.round(scaled) - scaled, 0.0)
    result = tf.cast(scaled + tf.stop_gradient(rounding), images.dtype)
    return tf.ensure_shape(result, [*images.shape[:-3], *size, images.shape[-1]])


def _scaled(images: tf.Tensor, size: Size) -> tf.Tensor:
    return tf.image.resize(images, size, antialias=True)


def _summed(images: tf.Tensor, size: Size) -> tf.Tensor:
    batch = images if images.shape.rank == 4 else images[tf.newaxis]
    scale = tf.cast(size, tf.float64) / tf.cast(tf.shape(batch)[1:3], tf.float64)
    scaled = keras.ops.image.scale_and_translate(
        tf.cast(batch, tf.float64),
        (None, *(tf.unstack(size) if tf.is_tensor(size) else size), None),
        scale,
        tf.zeros(2, tf.float64),
        (1, 2),
        "linear",
        antialias=True,
    )
    return tf.cast(scaled if images.shape.rank == 4 else scaled[0], tf.float32)


def _stretched(images: tf.Tensor, size: Size, scale: Scale) -> tf.Tensor:
    return scale(images, size)


def _cropped(images: tf.Tensor, size: Size, scale: Scale) -> tf.Tensor:
    """The largest part in the middle that has the ratio of the size."""
    (height, width), (high, wide) = _sides(images), size
    rows = tf.clip_by_value(width * high // wide, 1, height)
    columns = tf.clip_by_value(height * wide // high, 1, width)
    top, left = (height - rows) // 2, (width - columns) // 2
    return scale(images[..., top : top + rows, left : left + columns, :], size)


def _padded(images: tf.Tensor, size: Size, scale: Scale) -> tf.Tensor:
    """Black beside the images, or above and below, until they have the size's ratio.

    Of a strip that would be a square of gigabytes. So the side that has no black is
    scaled before the other gets its own, which is the same, as the filter is a product.
    """
    (height, width), (high, wide) = _sides(images), size
    rows = tf.maximum(width * high // wide, height) - height
    columns = tf.maximum(height * wide // high, width) - width
    first = tf.where(rows > 0, [height, wide], [high, width])
    none = [[0, 0]] * (images.shape.rank - 3)
    around = [[rows // 2, rows - rows // 2], [columns // 2, columns - columns // 2]]
    padding = tf.convert_to_tensor([*none, *around, [0, 0]])
    return scale(tf.pad(scale(images, first), padding), size)


def _sides(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.shape(images)
    return shape[-3], shape[-2]


# How images get the size asked for, by the word of a config's `resize`.
WINDOWS = {"stretch": _stretched, "crop": _cropped, "pad": _padded}
