"""What every source of images becomes."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from node_transfer.resizing import resized

SPLITS = ("train", "validation", "test")
MEMORY_LIMIT_BYTES = 2 * 2**30  # of decoded images, a split
SHUFFLE_BUFFER_BYTES = 2**30  # for splits that are too large to be held in memory


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
        files: For each split the files of its images, in order; `None`: it has none.
        unreadable: `path` and `reason` of each file that was left out, being damaged.
        example_of: Of splits whose images can be read in any order and do not stay in
            memory, a function from the number of an example, in a graph, to it.
    """

    name: str
    class_names: tuple[str, ...]
    image_size: int
    sizes: dict[str, int]
    source: dict
    splits: dict[str, tf.data.Dataset]
    files: dict[str, tuple[str, ...]] | None = None
    unreadable: tuple[dict[str, str], ...] = ()
    example_of: Mapping[str, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]] = (
        dataclasses.field(default_factory=dict)
    )

    @property
    def num_classes(self) -> int:
        """Labels run from 0 to `num_classes - 1`."""
        return len(self.class_names)

    def fits_in_memory(self, split: str) -> bool:
        """Whether the split's images take 2 GiB or less."""
        return self.sizes[split] * 3 * self.image_size**2 <= MEMORY_LIMIT_BYTES

    def some(self, split: str, numbers: Sequence[int]) -> tf.data.Dataset:
        """Returns the examples of a split that have these numbers, in ascending order.

        No others are read where they can be read in any order.
        """
        numbers = np.unique(np.asarray(numbers, np.int64))
        if split in self.example_of:
            wanted = tf.data.Dataset.from_tensor_slices(numbers)
            return wanted.map(self.example_of[split], num_parallel_calls=tf.data.AUTOTUNE)
        if len(numbers) == 0:
            return self.splits[split].take(0)
        first, last = int(numbers[0]), int(numbers[-1])
        keep = np.zeros(last - first + 1, bool)
        keep[numbers - first] = True
        examples = self.splits[split].skip(first).take(len(keep))
        if keep.all():
            return examples
        return kept(examples, keep)

    def by_index(
        self, split: str
    ) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]] | None:
        """Returns a function from indices, shape `(n,)`, to images and labels.

        `None` where the split is too large to be held in memory.
        """
        if not self.fits_in_memory(split):
            return None
        arrays = None  # filled batch by batch: a list of batches would be a copy more
        done = 0
        for batch in self.splits[split].batch(1024).as_numpy_iterator():
            if arrays is None:
                size = self.sizes[split]
                arrays = [np.empty((size, *part.shape[1:]), part.dtype) for part in batch]
            for array, part in zip(arrays, batch, strict=True):
                array[done : done + len(part)] = part
            done += len(batch[0])
        with tf.device("CPU"):
            images, labels = (tf.constant(array[:done]) for array in arrays)
        return lambda indices: (tf.gather(images, indices), tf.gather(labels, indices))

    def batches(self, split: str, batch_size: int = 32) -> tf.data.Dataset:
        """Returns batches of `(images, labels)`, for `fit` and `evaluate` of a model.

        The training images are in another order each time they are gone through, the
        others in their own.

        Args:
            split: `"train"`, `"validation"` or `"test"`.
            batch_size: Examples a batch; the last one may have fewer.
        """
        examples = self.splits[split]
        if split == "train":
            examples = self._shuffled()
        return examples.batch(batch_size).prefetch(tf.data.AUTOTUNE)

    def _shuffled(self) -> tf.data.Dataset:
        size = self.sizes["train"]
        if self.fits_in_memory("train"):
            return self.splits["train"].shuffle(size)
        if "train" not in self.example_of:
            held = SHUFFLE_BUFFER_BYTES // (3 * self.image_size**2)
            return self.splits["train"].shuffle(min(size, held))
        numbers = tf.data.Dataset.range(size).shuffle(size)
        return numbers.map(self.example_of["train"], num_parallel_calls=tf.data.AUTOTUNE)


def kept(examples: tf.data.Dataset, keep: np.ndarray) -> tf.data.Dataset:
    """Returns the examples that are to be kept: boolean, one an example."""
    found = examples.enumerate().filter(lambda i, _: tf.gather(tf.constant(keep), i))
    found = found.map(lambda _, example: example)
    return found.apply(tf.data.experimental.assert_cardinality(int(keep.sum())))


def as_rgb(image: tf.Tensor, size: int, resize: str = "stretch") -> tf.Tensor:
    """Returns an image of one or three channels as uint8 RGB of the size given.

    Args:
        image: uint8, shape `(height, width, channels)`.
        size: Height and width to have, in pixels.
        resize: How, see `resized`.
    """
    if image.shape[-1] == 1:
        image = tf.image.grayscale_to_rgb(image)
    return tf.ensure_shape(resized(image, (size, size), resize), (size, size, 3))
