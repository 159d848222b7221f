"""Sources of images that are not the package's own: flat colours, one a class."""

import numpy as np
import tensorflow as tf

from node_transfer.data.image_source import ImageSource

COLOURS = ("red", "green", "blue")
_DEFINED: dict[str, str] = {}


def flat(label: int, height: int, width: int) -> np.ndarray:
    """An image of one colour, uint8, shape `(height, width, 3)`."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., label] = 255
    return image


def load(name: str, data_dir: str | None) -> ImageSource:
    """Thirty images of 12x12 pixels, and what the loader was called with."""
    labels = np.arange(30) % 3
    images = np.stack([flat(label, 12, 12) for label in labels])
    train = tf.data.Dataset.from_tensor_slices((images, labels.astype(np.int32)))
    provenance = {"name": name, "version": "1", "description": "Made.", "in": data_dir}
    return ImageSource({"train": train}, 12, COLOURS, provenance)


def define_tfds_set(label: dict) -> str:
    """Registers a set of oblong images with TensorFlow Datasets, and returns its name.

    Args:
        label: Arguments of the `ClassLabel`.
    """
    import tensorflow_datasets as tfds

    if "_".join(label) in _DEFINED:  # by another test
        return _DEFINED["_".join(label)]

    class Made(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.2.3")
        name = f"flat_colours_by_{'_'.join(label)}"

        def _info(self):
            features = {
                "picture": tfds.features.Image(shape=(6, 9, 3)),
                "colour": tfds.features.ClassLabel(**label),
            }
            return self.dataset_info_from_configs(
                description="Oblong\n   images.",
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("picture", "colour"),
            )

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(20),
                "test": self._generate_examples(6),
            }

        def _generate_examples(self, count):
            for i in range(count):
                yield i, {"picture": flat(i % 3, 6, 9), "colour": i % 3}

    _DEFINED["_".join(label)] = Made.name
    return Made.name
