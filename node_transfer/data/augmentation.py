"""What training images go through, drawn for each image of each epoch by itself."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from node_transfer.data.rand_augment import operations, rand_augment

CROP_PADDING = 4  # pixels at 32x32, scaled with the image
ASPECT_RATIOS = (3 / 4, 4 / 3)  # of a resized crop
# Uses of random numbers; a seed is one number of seed and epoch, and one of the image.
_BOXES, _OPERATIONS = 2**40, 2**41


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Changes to training images, made in this order.

    What an image becomes depends on the seed, the epoch and the image's number alone.

    Attributes:
        shift: Whether to flip at random and to crop at random after reflecting the
            border by an eighth of the image.
        resized_crop: The least part of an image's area in a crop of random size, aspect
            ratio and place, which is resized to the image's own size; 0: no such crop.
        flip: Whether to mirror half of the images.
        randaugment: Strength of two of `rand_augment.operations` on each image, at most
            1; 0: none.

    Reference: Szegedy et al. (2015), Going Deeper with Convolutions, arXiv:1409.4842,
    section 6 (crops).
    """

    shift: bool = False
    resized_crop: float = 0.0
    flip: bool = False
    randaugment: float = 0.0

    def __bool__(self) -> bool:
        return dataclasses.asdict(self) != dataclasses.asdict(Augmentation())

    def make(self) -> Callable[[tf.Tensor, int, tf.Tensor, tf.Tensor], tf.Tensor]:
        """Returns the function that changes images; not to be called in a `tf.function`.

        Its arguments are the images, shape `(batch, size, size, 3)`, from 0 to 255; the
        seed of the run; the epoch's number, from 0, int64; and the numbers of the images
        in their split, shape `(batch,)`.
        """
        layers = operations(self.randaugment) if self.randaugment else []

        def changed(images, seed, epoch, indices):
            if self.shift:
                images = _shifted(images, seed, epoch, indices)
            first, indices = seed + 1_000_003 * epoch, tf.cast(indices, tf.int64)
            if self.resized_crop or self.flip:
                images = self._cropped(images, first + _BOXES, indices)
            if layers:
                images = rand_augment(images, layers, first + _OPERATIONS, indices)
            return images

        return changed

    def _cropped(self, images, first, indices):
        """Crops, mirrors and resizes, each image by a box of its own."""

        def draw(i):
            return tf.random.stateless_uniform([5], tf.stack([first, i]))

        area, ratio, y, x, mirror = tf.unstack(
            tf.map_fn(draw, indices, fn_output_signature=tf.float32), axis=1
        )
        height = width = tf.ones_like(area)
        if self.resized_crop:
            area = self.resized_crop + (1 - self.resized_crop) * area
            low, high = (tf.math.log(bound) for bound in ASPECT_RATIOS)
            ratio = tf.exp(low + (high - low) * ratio)
            width = tf.minimum(1.0, tf.sqrt(area * ratio))
            height = tf.minimum(1.0, tf.sqrt(area / ratio))
        top, left = y * (1 - height), x * (1 - width)
        right = left + width
        if self.flip:  # a box from right to left is a mirrored one
            left, right = (
                tf.where(mirror < 0.5, right, left),
                tf.where(mirror < 0.5, left, right),
            )
        boxes = tf.stack([top, left, top + height, right], axis=1)
        size = images.shape[1]
        return tf.image.crop_and_resize(
            images, boxes, tf.range(tf.shape(images)[0]), [size, size]
        )


def _shifted(images, seed, epoch, indices) -> tf.Tensor:
    """Flips at random, and crops at random after reflecting the border."""
    size = images.shape[1]
    padding = max(1, CROP_PADDING * size // 32)
    padding = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    padded = tf.pad(images, padding, "REFLECT")

    def one(arguments):
        image, i = arguments
        # Two numbers make a seed: one of the epoch, one of the image and its use.
        first, second = seed + 1_000_003 * epoch, 2 * tf.cast(i, tf.int64)
        image = tf.image.stateless_random_crop(image, (size, size, 3), [first, second])
        return tf.image.stateless_random_flip_left_right(image, [first, second + 1])

    return tf.map_fn(one, (padded, indices), fn_output_signature=images.dtype)
