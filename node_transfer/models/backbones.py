"""The registry of backbones. Importing it does not import TensorFlow."""

import dataclasses
import os
import sys
from pathlib import Path

from node_transfer.errors import UserError, first_line
from node_transfer.network import server_answers

# What Keras multiplies the normalised input by, after B0's published weights were found
# to want it (keras.applications.efficientnet, weights="imagenet" only).
_IMAGENET_STDDEV_RGB = (0.229, 0.224, 0.225)

MIN_IMAGE_SIZE = 32


@dataclasses.dataclass(frozen=True)
class BackboneSpec:
    """A network of `keras.applications`.

    Attributes:
        name: Its name there, and for `--backbone`.
        image_size: Height and width of the images it was trained on, in pixels.
        input_range: Smallest and largest pixel value that it expects; the network
            rescales them itself.
        rescales_for_imagenet: Whether Keras adds a layer to the network for the
            ImageNet weights that it leaves out otherwise.
    """

    name: str
    image_size: int
    input_range: tuple[float, float] = (0.0, 255.0)
    rescales_for_imagenet: bool = False

    @property
    def keras_name(self) -> str:
        """What Keras calls the model, and how the names of its weights files begin."""
        return self.name.lower().replace("v2", "v2-")


_V1_SIZES = (224, 240, 260, 300, 380, 456, 528, 600)
_V2_SIZES = {"B0": 224, "B1": 240, "B2": 260, "B3": 300, "S": 384}

BACKBONES = {
    spec.name: spec
    for spec in (
        *(
            BackboneSpec(f"EfficientNetB{i}", size, rescales_for_imagenet=True)
            for i, size in enumerate(_V1_SIZES)
        ),
        *(BackboneSpec(f"EfficientNetV2{k}", size) for k, size in _V2_SIZES.items()),
    )
}


@dataclasses.dataclass(frozen=True)
class WeightsSource:
    """Where a backbone's first weights came from: `kind` is `"imagenet"`, `"file"`,
    `"random"` or `"run"`; `detail` says more, for the run's record."""

    kind: str
    detail: str


def build_backbone(name: str, weights: str = "imagenet", image_size: int | None = None):
    """Builds a convolutional backbone, without its classification head.

    The layers are the same whatever the weights: for EfficientNetB0 to B7 Keras adds a
    `Rescaling` layer with `weights="imagenet"` alone; here the network always has it,
    so that a weights file given by path is the same function as the download.

    Args:
        name: A key of `BACKBONES`.
        weights: `"imagenet"` (Keras's download or its cache), `"none"` (random),
            `"auto"` (ImageNet if it can be had, else random), or the path of a weights
            file for the network without its top, such as `*_notop.h5`.
        image_size: Height and width of the input, at least 32; `None`: the size that
            the network was trained on.

    Returns:
        `(model, WeightsSource)`: a functional Keras model from images in `input_range`,
        shape `(batch, image_size, image_size, 3)`, to a feature map.

    Raises:
        UserError: Unknown name, image too small, or weights that cannot be had or do
            not fit.
    """
    spec = check_backbone(name)
    size = spec.image_size if image_size is None else image_size
    if size < MIN_IMAGE_SIZE:
        raise UserError(
            f"image_size is {size}: {name} needs images of {MIN_IMAGE_SIZE} pixels or "
            "more; pass --image_size=32 or larger to have them scaled up."
        )
    if weights == "none":
        return _untrained(spec, size), WeightsSource("random", "random initial weights")
    if weights not in ("imagenet", "auto"):
        return _from_file(spec, size, weights)
    try:
        return _imagenet(spec, size)
    except UserError as error:
        if weights == "imagenet":
            raise
        reason = f"random initial weights, since ImageNet's could not be had: {error}"
        return _untrained(spec, size), WeightsSource("random", reason)


def check_backbone(name: str) -> BackboneSpec:
    """Returns the backbone's spec; raises `UserError` where there is none."""
    if name not in BACKBONES:
        raise UserError(
            f"Unknown backbone {name!r}: choose one of {', '.join(BACKBONES)}."
        )
    return BACKBONES[name]


def _keras_model(spec: BackboneSpec, size: int, weights):
    import keras

    constructor = getattr(keras.applications, spec.name)
    return constructor(include_top=False, weights=weights, input_shape=(size, size, 3))


def _untrained(spec: BackboneSpec, size: int):
    """The network with random weights and the layers of the ImageNet one."""
    import keras

    model = _keras_model(spec, size, weights=None)
    if not spec.rescales_for_imagenet:
        return model
    scale = [stddev**-0.5 for stddev in _IMAGENET_STDDEV_RGB]

    def call(layer, *args, **kwargs):
        output = layer(*args, **kwargs)
        if isinstance(layer, keras.layers.Normalization):
            output = keras.layers.Rescaling(scale)(output)
        return output

    return keras.models.clone_model(model, call_function=call)


def _imagenet(spec: BackboneSpec, size: int):
    """The network with Keras's ImageNet weights, from its cache or the network."""
    try:
        _check_download(spec)
        model = _keras_model(spec, size, weights="imagenet")
    except Exception as error:  # the download raises whatever urllib does
        raise UserError(
            f"The ImageNet weights of {spec.name} are not in {_cache_folder()} and could "
            f"not be downloaded ({first_line(error)}); connect to the network, or pass "
            "--weights=PATH with the file, or --weights=none for random weights."
        ) from error
    return model, WeightsSource("imagenet", f"keras.applications.{spec.name}, ImageNet")


def _check_download(spec: BackboneSpec) -> None:
    """Raises where the weights are to be downloaded and their server is silent."""
    import keras

    module = sys.modules[getattr(keras.applications, spec.name).__module__]
    if os.path.isfile(os.path.join(_cache_folder(), f"{spec.keras_name}_notop.h5")):
        return
    if not server_answers(module.BASE_WEIGHTS_PATH):
        raise OSError("the server does not answer")


def _from_file(spec: BackboneSpec, size: int, path: str):
    if not os.path.isfile(path):
        raise UserError(
            f"There is no weights file {path!r}: pass --weights=imagenet, none, auto or "
            "the path of an existing file."
        )
    model = _untrained(spec, size)
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds here
        raise UserError(
            f"The file {path!r} does not hold weights of {spec.name} without its top "
            f"({first_line(error)}); pass the file that belongs to this backbone."
        ) from error
    return model, WeightsSource("file", Path(path).name)


def _cache_folder() -> str:
    """Where `keras.utils.get_file` keeps its downloads."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    return os.path.join(home, "models")
