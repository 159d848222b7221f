"""From a name to three splits of images of one size, whatever their source."""

import math

import numpy as np
import sklearn.model_selection
import tensorflow as tf

from node_transfer.data.damage import with_checked_label
from node_transfer.data.image_data import SPLITS, ImageData, as_rgb
from node_transfer.data.sources import open_source
from node_transfer.errors import UserError

DEFAULT_HELD_OUT = 0.1  # where a set has no test split of its own


def load_data(
    dataset: str,
    *,
    data_dir: str | None = None,
    image_size: int | None = None,
    default_image_size: int = 224,
    min_image_size: int = 32,
    validation_fraction: float = 0.1,
    train_examples: int | None = None,
    seed: int = 0,
) -> ImageData:
    """Loads an image classification data set.

    A split whose images take 2 GiB or less stays in memory once it has been read.

    Args:
        dataset: A row of `sources.SOURCES`, such as `"digits"`, or the name of a set of
            TensorFlow Datasets.
        data_dir: Folder of the source's files; `None`: its own, which for TensorFlow
            Datasets is `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        image_size: Height and width to scale images to, in pixels. `None`: the set's
            own, at least `min_image_size`, or `default_image_size` where its images
            differ in size.
        default_image_size, min_image_size: See `image_size`.
        validation_fraction: The last part of the training split that becomes the
            validation split, unless the set has one of its own; in (0, 1).
        train_examples: Train on so many examples only, as many of each class as can be;
            `None`: on all.
        seed: Of the choice of those examples.

    Raises:
        UserError: Unknown set, no data and no network, or numbers that do not fit it.
    """
    if not 0 < validation_fraction < 1:
        raise UserError(
            f"validation_fraction is {validation_fraction}: pass a number between 0 and "
            "1, such as 0.1."
        )
    source = open_source(dataset, data_dir)
    classes = len(source.class_names)
    if image_size is None:
        image_size = max(source.native_size or default_image_size, min_image_size)

    splits = _three_splits(dataset, source.splits, validation_fraction)
    if train_examples is not None:
        splits["train"] = _stratified(splits["train"], train_examples, seed)
    sizes = {split: int(splits[split].cardinality()) for split in SPLITS}
    splits = {
        split: splits[split].map(
            lambda image, label: with_checked_label(
                as_rgb(image, image_size), label, classes
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        for split in SPLITS
    }
    data = ImageData(
        dataset, source.class_names, image_size, sizes, source.provenance, splits
    )
    for split in SPLITS:
        if data.fits_in_memory(split):
            splits[split] = splits[split].cache()
    return data


def _three_splits(name, parts, fraction) -> dict[str, tf.data.Dataset]:
    """Names the set's own splits train, validation and test, and cuts what it lacks."""
    if "train" not in parts:
        raise UserError(
            f"The dataset {name!r} has no training split (it has "
            f"{', '.join(parts)}): pass another."
        )
    train = parts["train"]
    test = parts.get("test")
    validation = parts.get("validation")
    if test is None and validation is not None:
        test, validation = validation, None
    if test is None:
        train, test = _cut_last(train, DEFAULT_HELD_OUT)
    if validation is None:
        train, validation = _cut_last(train, fraction)
    return {"train": train, "validation": validation, "test": test}


def _cut_last(dataset: tf.data.Dataset, fraction: float):
    """Returns the dataset without its last part, and that part."""
    size = int(dataset.cardinality())
    held_out = math.floor(size * fraction)
    if not 0 < held_out < size:
        raise UserError(
            f"A fraction of {fraction} of {size} examples is {held_out} examples: pass a "
            "validation_fraction= that leaves some on both sides."
        )
    return dataset.take(size - held_out), dataset.skip(size - held_out)


def _stratified(dataset: tf.data.Dataset, count: int, seed: int) -> tf.data.Dataset:
    """Keeps `count` examples, drawn so that the classes keep their shares."""
    labels = np.fromiter(
        dataset.map(lambda image, label: label).as_numpy_iterator(), dtype=np.int64
    )
    classes = len(np.unique(labels))
    if not classes <= count <= len(labels):
        raise UserError(
            f"train_examples is {count}: pass a number from {classes} (one of each "
            f"class) to {len(labels)} (all training examples)."
        )
    chosen = np.arange(len(labels))
    if len(labels) - count >= classes:
        chosen, _ = sklearn.model_selection.train_test_split(
            chosen, train_size=count, stratify=labels, random_state=seed
        )
    else:
        chosen = chosen[np.sort(np.random.default_rng(seed).permutation(chosen)[:count])]
    keep = np.zeros(len(labels), bool)
    keep[chosen] = True
    kept = dataset.enumerate().filter(lambda i, _: tf.gather(tf.constant(keep), i))
    kept = kept.map(lambda i, example: example)
    return kept.apply(tf.data.experimental.assert_cardinality(count))
