"""What decides the features of a data set's images, and the name that stands for it."""

import hashlib
import json
from importlib import metadata

import keras

from node_transfer import checksums
from node_transfer.data.image_data import SPLITS, ImageData
from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.runs.config import ExperimentConfig

FORMAT = 2  # of the files, and of how images become batches: another makes them anew
PACKAGES = ("tensorflow", "keras", "scikit-learn")  # the last draws subsets of images


def description(
    config: ExperimentConfig, model: TransferClassifier, data: ImageData
) -> dict:
    """Returns all that decides what the features of the images are, and their order.

    Args:
        config: The experiment.
        model: Whose backbone is frozen.
        data: The images.
    """
    shape = model.backbone.output_shape[1:]
    return {
        "format": FORMAT,
        "backbone": config.backbone or model.backbone.name,
        "weights_sha256": checksums.of_arrays(model.backbone.get_weights()),
        "network_sha256": _sha256(_network(model.backbone)),
        "features": "feature_map" if model.uses_feature_map else "pooled",
        "shape": list(shape if model.uses_feature_map else shape[-1:]),
        "dtype_policy": config.dtype_policy,
        "data": _data(data),
        "files_sha256": data.files and _sha256(json.dumps(data.files, sort_keys=True)),
        "resize": config.resize,
        "class_names": list(data.class_names),
        "image_size": data.image_size,
        "sizes": data.sizes,
        "validation_fraction": config.validation_fraction,
        "train_examples": config.train_examples,
        "seed_of_examples": config.seed if config.train_examples else None,
        "augmented": False,
        "versions": {package: metadata.version(package) for package in PACKAGES},
    }


def key_of(described: dict) -> str:
    """Returns the name for what `description` describes: 32 hexadecimal digits."""
    return _sha256(json.dumps(described, sort_keys=True))[:32]


def _data(data: ImageData) -> dict:
    """What tells the images from others: their source's checksum, or one of all pixels.

    The second takes as long as reading them, so it is for sources that have none.
    """
    if data.source.get("checksum"):
        return {name: data.source.get(name) for name in ("version", "checksum")}
    digest = hashlib.sha256()
    for split in SPLITS:
        for image, label in data.splits[split].as_numpy_iterator():
            digest.update(image.tobytes() + int(label).to_bytes(8, "little"))
    return {**data.source, "pixels_sha256": digest.hexdigest()}


def _network(backbone: keras.Model) -> str:
    """The layers of a backbone and how they hang together, in words.

    Without the names of layers, which depend on what was built before in the process.
    """
    text = json.dumps(
        keras.saving.serialize_keras_object(backbone), sort_keys=True, default=str
    )
    for number, layer in enumerate(backbone.layers):
        text = text.replace(f'"{layer.name}"', f'"layer {number}"')
    return text


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
