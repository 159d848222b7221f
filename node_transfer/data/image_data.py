"""What every source of images becomes."""

import dataclasses

import tensorflow as tf

SPLITS = ("train", "validation", "test")
MEMORY_LIMIT_BYTES = 2 * 2**30  # of decoded images, a split


@dataclasses.dataclass(frozen=True)
class ImageData:
    """A labelled image data set in three splits.

    Attributes:
        name: What it was asked for by.
        class_names: Label `i` is the class `class_names[i]`.
        image_size: Height and width of the images, in pixels.
        sizes: Examples in each split.
        source: What the data are and where they came from, for the run's record.
        splits: For each split a `tf.data.Dataset` of `(image, label)`: uint8, shape
            `(image_size, image_size, 3)`, and int64. Unbatched, in a fixed order.
    """

    name: str
    class_names: tuple[str, ...]
    image_size: int
    sizes: dict[str, int]
    source: dict
    splits: dict[str, tf.data.Dataset]

    @property
    def num_classes(self) -> int:
        """Labels run from 0 to `num_classes - 1`."""
        return len(self.class_names)

    def fits_in_memory(self, split: str) -> bool:
        """Whether the split's images take 2 GiB or less."""
        return self.sizes[split] * 3 * self.image_size**2 <= MEMORY_LIMIT_BYTES


def as_rgb(image: tf.Tensor, size: int) -> tf.Tensor:
    """Returns an image of one or three channels as uint8 RGB of the size given."""
    if image.shape[-1] == 1:
        image = tf.image.grayscale_to_rgb(image)
    if image.shape[:2] != (size, size):
        image = tf.image.resize(tf.cast(image, tf.float32), (size, size), antialias=True)
        image = tf.cast(tf.round(tf.clip_by_value(image, 0, 255)), tf.uint8)
    return tf.ensure_shape(image, (size, size, 3))
