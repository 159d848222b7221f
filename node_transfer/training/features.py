"""The features of a frozen backbone, computed once and kept on the disk."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from node_transfer.data.feature_data import FEATURES, LABEL, FeatureData, example_dtype
from node_transfer.data.feature_files import FeatureFiles, Part
from node_transfer.data.image_data import SPLITS, ImageData
from node_transfer.errors import UserError
from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.lock import locked
from node_transfer.training.feature_key import description, key_of
from node_transfer.training.fitting import augmentation
from node_transfer.training.workers import Workers

BATCH, FEW = 64, 16  # images at a time through the backbone, at most and at least
ARGUMENT = "cache_dir"  # which says where the files are


def are_cached(config: ExperimentConfig, workers: Workers) -> bool:
    """Whether an experiment trains on features that are computed once.

    Where it might and cannot, it says why.
    """
    if not config.freeze_backbone or config.cache_features == "off":
        return False
    reason = None
    if augmentation(config):
        reason = "augmentation makes other images of them each time"
    elif workers.count > 1:
        reason = "several machines train, each on its own share of the images"
    if reason and workers.chief:
        print(
            "The backbone is frozen, and computes the features of all images in each "
            f"epoch, since {reason}.",
            flush=True,
        )
    return reason is None


def features_of(
    config: ExperimentConfig, model: TransferClassifier, data: ImageData
) -> FeatureData:
    """Returns the features of all images, from the cache as far as they are there.

    What is missing or damaged is computed, and then is there. Two processes that want
    the same features take turns.

    Args:
        config: The experiment.
        model: Its model, the backbone frozen.
        data: Its images.

    Raises:
        UserError: The cache cannot be written.
    """
    described = description(config, model, data)
    shape = tuple(described["shape"])
    folder = cache_folder(config.cache_dir) / key_of(described)
    files = FeatureFiles(folder, example_dtype(shape), data.sizes, BATCH)
    arrays, computed = files.read(), False
    if len(arrays) < len(files.parts):
        with _alone_in(folder):
            arrays = files.read()  # another process may have been there
            missing = [part for part in files.parts if part not in arrays]
            if missing:
                computed = True
                size = _images_at_a_time(config.batch_size)
                _compute(model, data, files, missing, described, size)
                arrays = files.read()
    seconds = float(files.read_record().get("seconds", 0.0))
    record = {"key": folder.name, "bytes": files.bytes, "seconds": round(seconds, 3)}
    print(
        f"Training on the features of {sum(data.sizes.values()):,} images "
        f"({' x '.join(map(str, shape))} numbers each, {files.bytes / 2**20:,.0f} MiB), "
        f"{'computed' if computed else 'which were computed before'} in {seconds:.0f} s "
        f"and kept in {folder}",
        flush=True,
    )
    parts = {
        split: [arrays[part] for part in files.parts if part.split == split]
        for split in SPLITS
    }
    return FeatureData(shape, parts, record)


def cache_folder(cache_dir: str | None) -> Path:
    """Returns where features are kept: the folder given, or the user's cache."""
    if cache_dir is not None:
        return Path(cache_dir)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "node-transfer" / "features"


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Waits until no other process computes the features of a folder."""
    with contextlib.ExitStack() as within:
        try:
            within.enter_context(locked(folder, argument=ARGUMENT))
        except UserError:
            if not folder.is_dir():
                raise
            print(
                f"Another process computes the features in {folder}: waiting", flush=True
            )
            within.enter_context(locked(folder, timeout=-1, argument=ARGUMENT))
        yield


def _images_at_a_time(batch_size: int) -> int:
    """Returns the largest part of `BATCH` that is no larger than a batch of training.

    No fewer than `FEW`, which a training on features may have, and which take longer.
    """
    return max(FEW, 2 ** (min(BATCH, batch_size).bit_length() - 1))


def _compute(
    model: TransferClassifier,
    data: ImageData,
    files: FeatureFiles,
    missing: list[Part],
    described: dict,
    size: int,
) -> None:
    """Computes the missing parts, and writes each as soon as it is whole."""
    _check_space(files, missing)
    earlier = float(files.read_record().get("seconds", 0.0))
    start = time.perf_counter()
    for part, array in _computed(model, data, missing, files.dtype, size):
        files.write(part, array)
        seconds = earlier + time.perf_counter() - start
        files.write_record({"seconds": round(seconds, 3), "of": described})


def _check_space(files: FeatureFiles, missing: list[Part]) -> None:
    """Raises `UserError` where the disk has no room for what is missing."""
    of_all = sum(part.stop - part.start for part in files.parts)
    needed = files.bytes * sum(part.stop - part.start for part in missing) // of_all
    free = shutil.disk_usage(files.path).free
    if free < needed:
        raise UserError(
            f"The features need {needed / 2**20:,.0f} MiB, and {str(files.path)!r} has "
            f"{free / 2**20:,.0f} MiB free: free some space, pass cache_dir= with a "
            "folder on another disk, or cache_features=off."
        )


def _computed(
    model: TransferClassifier,
    data: ImageData,
    missing: list[Part],
    dtype: np.dtype,
    size: int,
) -> Iterator[tuple[Part, np.ndarray]]:
    """Yields each of the missing parts and its examples, `size` images at a time."""
    pixels = data.image_size
    extract = tf.function(
        lambda images: model.features(tf.cast(images, tf.float32)),
        input_signature=[tf.TensorSpec((None, pixels, pixels, 3), tf.uint8)],
        autograph=False,
    )
    total = sum(part.stop - part.start for part in missing)
    with tqdm(
        desc="Features, once",
        total=total,
        unit="image",
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 30,
    ) as bar:
        for split in SPLITS:
            parts = [part for part in missing if part.split == split]
            if not parts:
                continue
            numbers = np.concatenate([np.arange(it.start, it.stop) for it in parts])
            batches = data.some(split, numbers).batch(size).prefetch(tf.data.AUTOTUNE)
            left = iter(batches)
            for part in parts:
                array, filled = np.empty(part.stop - part.start, dtype), 0
                while filled < len(array):
                    images, labels = next(left)
                    rows = slice(filled, filled + len(labels))
                    array[FEATURES][rows] = tf.cast(extract(images), tf.float32).numpy()
                    array[LABEL][rows] = labels.numpy()
                    filled += len(labels)
                    bar.update(len(labels))
                yield part, array
