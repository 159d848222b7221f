"""Images in files, whose classes are known before a file is read."""

import dataclasses
import math
import os

import numpy as np
import tensorflow as tf

from node_transfer.data.image_files import read_image


@dataclasses.dataclass(frozen=True)
class ListedImages:
    """Files and their labels, as they stand in for a split of an `ImageSource`.

    Attributes:
        root: The folder that the files are in.
        files: Their paths below it, with `/`, in a fixed order.
        labels: int64, shape `(len(files),)`.
        digests: The SHA-256 of each file's bytes, by which copies are known.
    """

    root: str
    files: tuple[str, ...]
    labels: np.ndarray
    digests: tuple[str, ...]

    def __len__(self):
        return len(self.files)

    def take(self, indices: np.ndarray) -> "ListedImages":
        """Returns the files of these numbers, in the order given."""
        files = tuple(self.files[i] for i in indices)
        digests = tuple(self.digests[i] for i in indices)
        return ListedImages(self.root, files, self.labels[indices], digests)

    def reader(self):
        """Returns a function of TensorFlow's graphs from a number to image and label.

        The image is uint8, shape `(height, width, 3)`, of a size that is known when it
        has been read; a file that cannot be read fails then.
        """
        paths = tf.constant([os.fsencode(os.path.join(self.root, f)) for f in self.files])
        labels = tf.constant(self.labels)

        def read(index):
            image = tf.numpy_function(_read, [tf.gather(paths, index)], tf.uint8)
            return tf.ensure_shape(image, (None, None, 3)), tf.gather(labels, index)

        return read


def _read(path: bytes) -> np.ndarray:
    return read_image(os.fsdecode(path))


def cut(
    part: ListedImages, fraction: float, seed: int
) -> tuple[ListedImages, ListedImages]:
    """Holds a fraction of every class out, drawn by seed.

    Of a class of two images or more at least one is held out and at least one is not; an
    image that is alone in its class is not. Copies within a class are one image, which
    is held out once, and then its other copies are in neither part.

    Returns:
        The part without what is held out, and that; each in the order of the part.
    """
    rng = np.random.default_rng(seed)
    kept, held_out = np.ones(len(part), bool), []
    digests = np.array(part.digests)
    for label in np.unique(part.labels):
        members = np.flatnonzero(part.labels == label)
        _, first = np.unique(digests[members], return_index=True)
        unlike = members[np.sort(first)]
        wanted = math.floor(len(unlike) * fraction + 0.5)
        count = min(max(wanted, 1), len(unlike) - 1)
        drawn = rng.permutation(unlike)[:count]
        held_out.append(drawn)
        kept[members[np.isin(digests[members], digests[drawn])]] = False
    return part.take(np.flatnonzero(kept)), part.take(np.sort(np.concatenate(held_out)))


def sample(part: ListedImages, count: int, seed: int) -> ListedImages:
    """Draws so many images that the classes keep their shares, and each has one."""
    rng = np.random.default_rng(seed)
    labels, sizes = np.unique(part.labels, return_counts=True)
    chosen = [
        rng.permutation(np.flatnonzero(part.labels == label))[:n]
        for label, n in zip(labels, _shares(sizes, count), strict=True)
    ]
    return part.take(np.sort(np.concatenate(chosen)))


def _shares(sizes: np.ndarray, count: int) -> np.ndarray:
    """Cuts a number in proportion to sizes, by the largest remainder, none to nothing."""
    exact = sizes * count / sizes.sum()
    shares = np.maximum(np.floor(exact).astype(int), 1)
    while shares.sum() < count:
        shares[np.argmax(np.where(shares < sizes, exact - shares, -np.inf))] += 1
    while shares.sum() > count:
        shares[np.argmax(np.where(shares > 1, shares - exact, -np.inf))] -= 1
    return shares
