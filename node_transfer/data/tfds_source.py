"""Image classification sets of TensorFlow Datasets, with quick answers when offline."""

import os

from node_transfer import checksums
from node_transfer.data import sources
from node_transfer.data.image_source import ImageSource
from node_transfer.errors import UserError, first_line
from node_transfer.network import server_answers


def load(name: str, data_dir: str | None) -> ImageSource:
    """Returns an image classification set of TensorFlow Datasets; see `builder`."""
    prepared = builder(name, data_dir)
    image_key, label_key = prepared.info.supervised_keys
    features = prepared.info.features
    height, width = features[image_key].shape[:2]
    return ImageSource(
        splits=prepared.as_dataset(as_supervised=True, shuffle_files=False),
        native_size=height if height is not None and height == width else None,
        class_names=tuple(features[label_key].names),
        provenance=source(prepared.info),
    )


def builder(name: str, data_dir: str | None):
    """Returns the TFDS builder of a prepared image classification set.

    Downloads and prepares the set first where it is not on disk yet.

    Raises:
        UserError: Unknown set, one of another kind, or neither data nor network.
    """
    tfds = _import_tfds()
    data_dir = _check_data_dir(data_dir)
    try:
        result = tfds.builder(name, data_dir=data_dir, try_gcs=False)
    except (
        tfds.core.registered.DatasetNotFoundError,
        ValueError,
        AssertionError,  # a version that the set does not have
    ) as error:
        raise UserError(
            f"Unknown dataset {name!r}: pass {sources.rows()} or the name of an image "
            f"classification set of TensorFlow Datasets, such as cifar10 "
            f"({first_line(error)})."
        ) from error
    _check_kind(name, result.info, tfds)
    if not result.is_prepared():
        _check_reachable(name, result, data_dir)
        try:
            result.download_and_prepare()
        except Exception as error:  # TFDS raises many kinds here
            raise UserError(
                f"The dataset {name!r} could not be downloaded to {result.data_dir} "
                f"({first_line(error)}): pass data_dir= with a folder that holds it."
            ) from error
    return result


def source(info) -> dict:
    """What the data are, for the run's record."""
    return {
        "name": info.name,
        "version": f"tensorflow_datasets {info.version}",
        "description": " ".join(info.description.split())[:400],
        "checksum": checksums.of_files(info.data_dir),
    }


def _import_tfds():
    import tensorflow_datasets as tfds

    # Without this, TFDS looks for prepared sets on Google Cloud Storage, and waits for
    # minutes where there is no network.
    os.environ.setdefault("NO_GCE_CHECK", "true")
    tfds.core.utils.gcs_utils._is_gcs_disabled = True
    return tfds


def _check_data_dir(data_dir: str | None) -> str | None:
    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    if data_dir is not None:
        data_dir = os.path.expanduser(data_dir)
        if not os.path.isdir(data_dir):
            raise UserError(
                f"There is no folder {data_dir!r}: pass data_dir= with the folder of "
                "your TensorFlow Datasets, or leave it out for ~/tensorflow_datasets."
            )
    return data_dir


def _check_kind(name: str, info, tfds):
    """Raises unless the set maps one image to one label."""
    keys = info.supervised_keys
    features = info.features
    if (
        not isinstance(keys, tuple)
        or len(keys) != 2
        or not all(isinstance(key, str) for key in keys)
        or not isinstance(features[keys[0]], tfds.features.Image)
        or not isinstance(features[keys[1]], tfds.features.ClassLabel)
    ):
        raise UserError(
            f"The dataset {name!r} is not an image classification set (it does not map "
            "one image to one class): pass another, such as cifar10 or oxford_flowers102."
        )


def _check_reachable(name: str, dataset_builder, data_dir: str | None):
    """Raises at once where the set's own server does not answer."""
    urls = [url for url in dataset_builder.url_infos or () if url.startswith("http")]
    if urls and not server_answers(urls[0]):
        folder = data_dir or os.path.join("~", "tensorflow_datasets")
        raise UserError(
            f"The dataset {name!r} is not in {folder}, and the server it is downloaded "
            "from does not answer: connect to the network, pass data_dir= with a folder "
            "that holds it, or try dataset=digits, which needs neither."
        )
