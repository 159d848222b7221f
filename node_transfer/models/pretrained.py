"""Builds backbones, with the weights that they start from."""

import dataclasses
import http.client
import os
from pathlib import Path

import keras

from node_transfer.errors import UserError, first_line
from node_transfer.models.backbones import BackboneSpec, check_backbone
from node_transfer.models.own_parts import is_own, make_backbone
from node_transfer.network import server_answers
from node_transfer.paths import check_weights_file
from node_transfer.registry import locate

# What Keras multiplies the normalised input by, after B0's published weights were found
# to want it (keras.applications.efficientnet, weights="imagenet" only).
_IMAGENET_STDDEV_RGB = (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class WeightsSource:
    """Where a model's first weights came from.

    Attributes:
        kind: `"imagenet"`, `"file"`, `"random"`, `"own"` or `"run"`.
        detail: More of it, for the run's record.
        warning: What the person at the keyboard may not expect of it, if anything.
    """

    kind: str
    detail: str
    warning: str | None = None


def _at_random(detail: str) -> WeightsSource:
    return WeightsSource("random", detail, f"the backbone starts from {detail}")


def build_backbone(
    name: str, weights: str | None = "imagenet", image_size: int | None = None
) -> keras.Model:
    """Builds a convolutional backbone, without its classification head.

    Every backbone takes pixels from 0 to 255, and its layers are the same whatever the
    weights: where Keras's own network wants pixels on another scale, or adds a layer
    with `weights="imagenet"` alone (EfficientNetB0 to B7), the network here has the
    layer always. So a weights file given by path is the same function as the download.

    Args:
        name: A key of `BACKBONES`, or `package.module:function` of one's own, see
            `own_parts.make_backbone`.
        weights: `"imagenet"` (Keras's download or its cache), `"none"` or, as Keras has
            it, `None` (random), `"auto"` (ImageNet if it can be had, else random), or the
            path of a weights file for the network without its top, such as `*_notop.h5`.
            A function of one's own makes its weights itself: `"auto"` keeps those.
        image_size: Height and width of the input, at least 32; `None`: the size that
            the network was trained on.

    Returns:
        A functional Keras model from images, shape `(batch, image_size, image_size, 3)`,
        to a feature map.

    Raises:
        UserError: Unknown name, image too small, or weights that cannot be had or do
            not fit.

    Example:

    >>> build_backbone("MobileNetV3Large", weights=None, image_size=64).output_shape
    (None, 2, 2, 960)
    """
    return backbone_with_source(name, weights, image_size)[0]


def backbone_with_source(
    name: str, weights: str | None = "imagenet", image_size: int | None = None
) -> tuple[keras.Model, WeightsSource]:
    """Returns what `build_backbone` does, and where its weights came from."""
    spec = check_backbone(name)
    weights = "none" if weights is None else weights
    size = spec.image_size if image_size is None else image_size
    if size < spec.min_image_size:
        raise UserError(
            f"image_size is {size}: {name} needs images of {spec.min_image_size} pixels "
            f"or more; pass image_size={spec.min_image_size} or larger to have them "
            "scaled up."
        )
    if is_own(name) and weights in ("imagenet", "none"):
        raise UserError(
            f"weights is {weights!r} and backbone is {name!r}, which makes its own: "
            "leave weights= out, or pass the path of a weights file."
        )
    if is_own(name) and weights == "auto":
        return make_backbone(name, size), WeightsSource("own", f"as made by {name}")
    if weights == "none":
        return _untrained(spec, size), _at_random("random initial weights")
    if weights not in ("imagenet", "auto"):
        return _from_file(spec, size, weights)
    try:
        path = _download(spec)
    except UserError as error:
        if weights == "imagenet":
            raise
        reason = f"random initial weights, since ImageNet's could not be had: {error}"
        return _untrained(spec, size), _at_random(reason)
    model = _untrained(spec, size)
    model.load_weights(path)
    detail = f"{spec.constructor.replace(':', '.')}, ImageNet"
    return model, WeightsSource("imagenet", detail)


def _untrained(spec: BackboneSpec, size: int) -> keras.Model:
    """The network with random weights and every layer of the ImageNet one."""
    if is_own(spec.name):
        return make_backbone(spec.name, size)
    arguments = {
        "include_top": False,
        "weights": None,
        "input_shape": (size, size, 3),
    }
    constructor = locate(spec.constructor)
    if (spec.scale, spec.offset) != (1.0, 0.0):
        images = keras.Input((size, size, 3))
        pixels = keras.layers.Rescaling(spec.scale, spec.offset, name="pixels")(images)
        model = constructor(**arguments, input_tensor=pixels)
        return keras.Model(images, model.output, name=model.name)
    model = constructor(**arguments)
    if not spec.rescales_for_imagenet:
        return model
    scale = [stddev**-0.5 for stddev in _IMAGENET_STDDEV_RGB]

    def call(layer, *args, **kwargs):
        output = layer(*args, **kwargs)
        if isinstance(layer, keras.layers.Normalization):
            output = keras.layers.Rescaling(scale)(output)
        return output

    return keras.models.clone_model(model, call_function=call)


def _download(spec: BackboneSpec) -> str:
    """Path of the ImageNet weights, in Keras's cache or downloaded to it.

    Raises:
        UserError: They cannot be had.
    """
    if spec.weights_url is None or spec.weights_file is None:
        raise UserError(
            f"There are no ImageNet weights of {spec.name}: pass weights=PATH with a "
            "file of your own, or weights='none' for random weights."
        )
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    cached = os.path.join(home, "models", spec.weights_file)
    try:
        if not os.path.isfile(cached) and not server_answers(spec.weights_url):
            raise OSError("the server does not answer")
        return keras.utils.get_file(
            spec.weights_file,
            spec.weights_url,
            file_hash=spec.weights_hash,
            cache_dir=home,
            cache_subdir="models",
        )
    except Exception as error:
        if not _is_of_a_download(error):
            raise
        raise UserError(
            f"The ImageNet weights of {spec.name} are not in {os.path.dirname(cached)} "
            f"and could not be downloaded ({first_line(error)}); connect to the network, "
            "or pass weights=PATH with the file, or weights='none' for random weights."
        ) from error


def _is_of_a_download(error: Exception) -> bool:
    """Whether `keras.utils.get_file` raises it where a file cannot be had.

    Beside the errors of sockets, files and HTTP: a plain `Exception` in place of
    `urllib`'s, and a `ValueError` for a file that is not what its hash says.
    """
    return (
        isinstance(error, (OSError, http.client.HTTPException))
        or type(error) is Exception
        or (isinstance(error, ValueError) and "corrupted file" in str(error))
    )


def _from_file(spec: BackboneSpec, size: int, path: str):
    check_weights_file(path)
    model = _untrained(spec, size)
    try:
        model.load_weights(path)
    except Exception as error:  # h5py and Keras raise many kinds here
        what = first_line(error).partition(" Example error")[0]
        raise UserError(
            f"The file {path!r} does not hold weights of {spec.name} without its top "
            f"({what}); pass the file that belongs to this backbone."
        ) from error
    return model, WeightsSource("file", Path(path).name)
