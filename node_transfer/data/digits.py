"""scikit-learn's handwritten digits: real, small, and bundled with the library."""

import numpy as np
import sklearn
import sklearn.datasets
import sklearn.model_selection
import tensorflow as tf

from node_transfer import checksums
from node_transfer.data.image_source import ImageSource

NATIVE_SIZE = 8
CLASS_NAMES = tuple("0123456789")


def load(name: str, data_dir: str | None) -> ImageSource:
    """Returns the digits; there is one set of them, and it needs no folder."""
    return ImageSource(datasets(), NATIVE_SIZE, CLASS_NAMES, source())


def arrays() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns `{"train": (images, labels), "test": ...}`, a fixed stratified 80 : 20.

    Images are uint8, shape `(n, 8, 8, 1)`: the grey values 0 to 16 of the original are
    spread over 0 to 255.
    """
    digits = sklearn.datasets.load_digits()
    images = np.round(digits.images * (255.0 / 16.0)).astype(np.uint8)[..., np.newaxis]
    labels = digits.target.astype(np.int64)
    train_images, test_images, train_labels, test_labels = (
        sklearn.model_selection.train_test_split(
            images, labels, test_size=0.2, stratify=labels, random_state=0
        )
    )
    return {"train": (train_images, train_labels), "test": (test_images, test_labels)}


def source() -> dict:
    """What the data are, for the run's record."""
    return {
        "name": "digits",
        "version": f"scikit-learn {sklearn.__version__}",
        "description": "1,797 handwritten digits of 8x8 pixels (UCI Optical Recognition "
        "of Handwritten Digits, test part), bundled with scikit-learn",
        "checksum": {
            "sha256": checksums.of_arrays(a for pair in arrays().values() for a in pair),
            "of": "images and labels as decoded, training then test",
        },
    }


def datasets() -> dict[str, tf.data.Dataset]:
    """Returns the splits "train" and "test" as datasets of `(image, label)`."""
    return {
        split: tf.data.Dataset.from_tensor_slices(pair)
        for split, pair in arrays().items()
    }
