"""From a name to three splits of images of one size, whatever their source."""

import math
import numbers
import os

import numpy as np
import sklearn.model_selection
import tensorflow as tf

from node_transfer.data import listed
from node_transfer.data.damage import with_checked_label
from node_transfer.data.image_data import SPLITS, ImageData, as_rgb, kept
from node_transfer.data.listed import ListedImages
from node_transfer.data.sources import open_source
from node_transfer.errors import UserError, warn
from node_transfer.resizing import WINDOWS

DEFAULT_HELD_OUT = 0.1  # where a set has no test split of its own


def load_data(
    dataset: str,
    *,
    data_dir: str | None = None,
    image_size: int | None = None,
    default_image_size: int = 224,
    min_image_size: int = 32,
    resize: str = "stretch",
    validation_fraction: float = 0.1,
    train_examples: int | None = None,
    seed: int = 0,
    in_memory: bool = True,
) -> ImageData:
    """Loads an image classification data set.

    A split whose images take 2 GiB or less stays in memory once it has been read, where
    it is to be read more than once.

    Args:
        dataset: A row of `sources.SOURCES`, such as `"digits"` or `"folder:PATH"`, or the
            name of a set of TensorFlow Datasets.
        data_dir: Folder of the source's files; `None`: its own, which for TensorFlow
            Datasets is `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        image_size: Height and width to scale images to, in pixels. `None`: the set's
            own, at least `min_image_size`, or `default_image_size` where its images
            differ in size.
        default_image_size, min_image_size: See `image_size`.
        resize: How images of another size become that: `"stretch"`, `"crop"` to the
            largest square in the middle, or `"pad"` to a square with black.
        validation_fraction: The part of the training split that becomes the validation
            split, unless the set has one of its own; in (0, 1). It is the last part, or
            of a folder that of each class, drawn by seed.
        train_examples: Train on so many examples only, as many of each class as can be;
            `None`: on all.
        seed: Of the choice of those examples, and of how a folder is split.
        in_memory: Whether images are to be read more than once.

    Raises:
        UserError: Unknown set, no data and no network, or numbers that do not fit it.

    Example:

    >>> data = load_data("digits", image_size=32)
    >>> data.sizes, data.class_names[:3]
    ({'train': 1294, 'validation': 143, 'test': 360}, ('0', '1', '2'))
    """
    if not 0 < validation_fraction < 1:
        raise UserError(
            f"validation_fraction is {validation_fraction}: pass a number between 0 and "
            "1, such as 0.1."
        )
    if resize not in WINDOWS:
        raise UserError(f"resize is {resize!r}: choose one of {', '.join(WINDOWS)}.")
    _check_whole("image_size", image_size, 1)
    _check_whole("seed", seed, 0)
    source = open_source(os.fspath(dataset), data_dir)
    for note in source.notes:
        warn(note)
    classes = len(source.class_names)
    if image_size is None:
        image_size = max(source.native_size or default_image_size, min_image_size)

    def ready(image, label):
        return with_checked_label(as_rgb(image, image_size, resize), label, classes)

    parts = _three_splits(dataset, source.splits, validation_fraction, seed)
    if train_examples is not None:
        parts["train"] = _stratified(parts["train"], train_examples, seed)
    are_listed = all(isinstance(part, ListedImages) for part in parts.values())
    splits, example_of = {}, {}
    for split, part in parts.items():
        if are_listed:
            example_of[split] = _reader(part, ready)
            examples, function = tf.data.Dataset.range(len(part)), example_of[split]
        else:
            examples, function = part, ready
        splits[split] = examples.map(function, num_parallel_calls=tf.data.AUTOTUNE)
    data = ImageData(
        dataset,
        source.class_names,
        image_size,
        {split: _size(parts[split]) for split in SPLITS},
        source.provenance,
        splits,
        files={split: parts[split].files for split in SPLITS} if are_listed else None,
        unreadable=source.unreadable,
        example_of=example_of,
    )
    for split in SPLITS:
        if in_memory and data.fits_in_memory(split):
            splits[split] = splits[split].cache()
            example_of.pop(split, None)  # no file is read twice
    return data


def _check_whole(name: str, value, least: int) -> None:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if value is not None and not (whole and value >= least):
        raise UserError(f"{name} is {value!r}: pass a whole number, {least} or more.")


def _reader(part: ListedImages, ready):
    read = part.reader()
    return lambda index: ready(*read(index))


def _size(part: tf.data.Dataset | ListedImages) -> int:
    return len(part) if isinstance(part, ListedImages) else int(part.cardinality())


def _three_splits(
    name, parts, fraction, seed
) -> dict[str, tf.data.Dataset | ListedImages]:
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
        train, test = _cut(train, DEFAULT_HELD_OUT, seed)
    if validation is None:
        train, validation = _cut(train, fraction, seed + 1)
    return {"train": train, "validation": validation, "test": test}


def _cut(part: tf.data.Dataset | ListedImages, fraction: float, seed: int):
    """Returns a split without a part, and that part: its last, or some of each class."""
    size = _size(part)
    if isinstance(part, ListedImages):
        left, cut_off = listed.cut(part, fraction, seed)
        if len(cut_off) == 0:
            raise UserError(
                f"Of {size} images to train on none can be held out, since no class has "
                "two that differ: add images, or make folders train, validation and test."
            )
        held_out = len(cut_off)
    else:
        held_out = math.floor(size * fraction)
        left, cut_off = part.take(size - held_out), part.skip(size - held_out)
    if not 0 < held_out < size:
        raise UserError(
            f"A fraction of {fraction} of {size} examples is {held_out} examples: pass a "
            "validation_fraction= that leaves some on both sides."
        )
    return left, cut_off


def _stratified(
    dataset: tf.data.Dataset | ListedImages, count: int, seed: int
) -> tf.data.Dataset | ListedImages:
    """Keeps `count` examples, drawn so that the classes keep their shares."""
    if isinstance(dataset, ListedImages):
        labels = dataset.labels
    else:
        labels = np.fromiter(
            dataset.map(lambda image, label: label).as_numpy_iterator(), dtype=np.int64
        )
    classes = len(np.unique(labels))
    if not classes <= count <= len(labels):
        raise UserError(
            f"train_examples is {count}: pass a number from {classes} (one of each "
            f"class) to {len(labels)} (all training examples)."
        )
    if isinstance(dataset, ListedImages):
        return listed.sample(dataset, count, seed)
    chosen = np.arange(len(labels))
    if len(labels) - count >= classes:
        chosen, _ = sklearn.model_selection.train_test_split(
            chosen, train_size=count, stratify=labels, random_state=seed
        )
    else:
        chosen = chosen[np.sort(np.random.default_rng(seed).permutation(chosen)[:count])]
    keep = np.zeros(len(labels), bool)
    keep[chosen] = True
    return kept(dataset, keep)
