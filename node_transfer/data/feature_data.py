"""Features of a data set's images, read from files as batches ask for them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

LABEL, FEATURES = "label", "features"  # the fields of an example
CHUNK = 1024  # examples that are read at a time where a split is read in its order


def example_dtype(shape: Sequence[int]) -> np.dtype:
    """Returns the type of an example in a file: its label, int64, and its features,
    float32, of the shape given."""
    return np.dtype([(LABEL, "<i8"), (FEATURES, "<f4", tuple(shape))])


@dataclasses.dataclass(frozen=True)
class FeatureData:
    """The features of an `ImageData`'s images, in its splits and its order.

    It serves batches as that does. Arrays may be mapped from files, so that no more than
    the batches is in memory.

    Attributes:
        shape: Of one image's features.
        parts: Of each split, arrays of `example_dtype`, one after the other.
        record: Where they come from, for the run's metrics.
    """

    shape: tuple[int, ...]
    parts: Mapping[str, Sequence[np.ndarray]]
    record: dict

    @property
    def sizes(self) -> dict[str, int]:
        """Examples in each split."""
        return {split: sum(map(len, parts)) for split, parts in self.parts.items()}

    def take(self, split: str, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns features, float32, and labels, int64, of the examples of a split."""
        parts = self.parts[split]
        starts = np.cumsum([0, *map(len, parts)])
        numbers = np.searchsorted(starts, indices, side="right") - 1
        features = np.empty((len(indices), *self.shape), np.float32)
        labels = np.empty(len(indices), np.int64)
        for number in np.unique(numbers):
            here = numbers == number
            rows = indices[here] - starts[number]
            features[here] = parts[number][FEATURES][rows]
            labels[here] = parts[number][LABEL][rows]
        return features, labels

    def by_index(self, split: str) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """Returns a function from indices, shape `(n,)`, to features and labels."""

        def read(indices):
            features, labels = tf.numpy_function(
                lambda i: self.take(split, i), [indices], (tf.float32, tf.int64)
            )
            return (
                tf.ensure_shape(features, (None, *self.shape)),
                tf.ensure_shape(labels, (None,)),
            )

        return read

    @property
    def splits(self) -> dict[str, tf.data.Dataset]:
        """For each split a dataset of `(features, label)`, unbatched, in its order."""
        return {split: self._in_order(split, size) for split, size in self.sizes.items()}

    def _in_order(self, split: str, size: int) -> tf.data.Dataset:
        examples = tf.data.Dataset.range(size).batch(CHUNK).map(self.by_index(split))
        return examples.unbatch().apply(tf.data.experimental.assert_cardinality(size))
