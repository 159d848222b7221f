"""The table of backbones. Reading it imports no TensorFlow.

One row is all that a network needs, of `keras.applications` or elsewhere:

    BACKBONES["MyNet"] = BackboneSpec(
        "MyNet", "my_package:MyNet", keras_name="my_net", image_size=224
    )
"""

import dataclasses

from node_transfer.errors import UserError
from node_transfer.models.own_parts import is_own

MIN_IMAGE_SIZE = 32
OWN_IMAGE_SIZE = 224  # of a backbone of the user's own, where images differ in size


@dataclasses.dataclass(frozen=True)
class BackboneSpec:
    """A convolutional network.

    Attributes:
        name: Its key in `BACKBONES`.
        constructor: `"module:function"`, called with `include_top`, `weights` and
            `input_shape` as those of `keras.applications` are, and with `input_tensor`
            where there is a `scale` or an `offset`.
        keras_name: The `name` of the Keras model that it makes; `None`: any.
        image_size: Height and width of the images it was trained on, in pixels.
        weights_url: The file of its ImageNet weights without the top; `None`: there is
            none.
        weights_hash: MD5 or SHA-256 of that file, in hexadecimal.
        min_image_size: Least height and width that it can take, in pixels.
        scale, offset: What it was trained on is `scale * pixel + offset`, for pixels from
            0 to 255; a number each, or one for each of red, green and blue. The network
            is given a layer that computes it; 1 and 0 for one that has such a layer.
        rescales_for_imagenet: Whether Keras adds a layer to the network for the
            ImageNet weights that it leaves out otherwise.
    """

    name: str
    constructor: str
    keras_name: str | None
    image_size: int
    weights_url: str | None = None
    weights_hash: str | None = None
    min_image_size: int = MIN_IMAGE_SIZE
    scale: float | tuple[float, float, float] = 1.0
    offset: float | tuple[float, float, float] = 0.0
    rescales_for_imagenet: bool = False

    @property
    def weights_file(self) -> str | None:
        """Name of the weights file, on the server and in Keras's cache."""
        return self.weights_url and self.weights_url.rsplit("/", 1)[1]


_SERVER = "https://storage.googleapis.com"
_APPLICATIONS = f"{_SERVER}/tensorflow/keras-applications"


def _efficientnet(variant: str, size: int, weights_hash: str) -> BackboneSpec:
    name = f"EfficientNet{variant}"
    return BackboneSpec(
        name,
        f"keras.applications:{name}",
        keras_name=name.lower(),
        image_size=size,
        weights_url=f"{_SERVER}/keras-applications/{name.lower()}_notop.h5",
        weights_hash=weights_hash,
        rescales_for_imagenet=True,
    )


def _efficientnet_v2(variant: str, size: int, weights_hash: str) -> BackboneSpec:
    name, keras_name = f"EfficientNetV2{variant}", f"efficientnetv2-{variant.lower()}"
    return BackboneSpec(
        name,
        f"keras.applications:{name}",
        keras_name=keras_name,
        image_size=size,
        weights_url=f"{_APPLICATIONS}/efficientnet_v2/{keras_name}_notop.h5",
        weights_hash=weights_hash,
    )


_ROWS = (
    _efficientnet("B0", 224, "50bc09e76180e00e4465e1a485ddc09d"),
    _efficientnet("B1", 240, "74c4e6b3e1f6a1eea24c589628592432"),
    _efficientnet("B2", 260, "111f8e2ac8aa800a7a99e3239f7bfb39"),
    _efficientnet("B3", 300, "af6d107764bb5b1abb91932881670226"),
    _efficientnet("B4", 380, "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    _efficientnet("B5", 456, "38879255a25d3c92d5e44e04ae6cec6f"),
    _efficientnet("B6", 528, "9ecce42647a20130c1f39a5d4cb75743"),
    _efficientnet("B7", 600, "cbcfe4450ddf6f3ad90b1b398090fe4a"),
    _efficientnet_v2("B0", 224, "893217f2bb855e2983157299931e43ff"),
    _efficientnet_v2("B1", 240, "0e80663031ca32d657f9caa404b6ec37"),
    _efficientnet_v2("B2", 260, "1dfe2e7a5d45b6632553a8961ea609eb"),
    _efficientnet_v2("B3", 300, "f6abf7b5849ac99a89b50dd3fd532856"),
    _efficientnet_v2("S", 384, "af0682fb74e8c54910f2d4393339c070"),
    _efficientnet_v2("M", 480, "1b8dc055df72dde80d614482840fe342"),
    _efficientnet_v2("L", 480, "b0b66b5c863aef5b46e8608fe1711615"),
    BackboneSpec(
        "ResNet50V2",
        "keras.applications:ResNet50V2",
        keras_name="resnet50v2",
        image_size=224,
        weights_url=f"{_APPLICATIONS}/resnet/"
        "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        weights_hash="fac2f116257151a9d068a22e544a4917",
        scale=1 / 127.5,
        offset=-1.0,
    ),
    BackboneSpec(
        "MobileNetV3Large",
        "keras.applications:MobileNetV3Large",
        keras_name="MobileNetV3Large",
        image_size=224,
        weights_url=f"{_APPLICATIONS}/mobilenet_v3/"
        "weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
        weights_hash="07fb09a5933dd0c8eaafa16978110389",
    ),
    BackboneSpec(
        "ConvNeXtTiny",
        "keras.applications:ConvNeXtTiny",
        keras_name="convnext_tiny",
        image_size=224,
        weights_url=f"{_APPLICATIONS}/convnext/convnext_tiny_notop.h5",
        weights_hash="d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
    ),
    BackboneSpec(
        "DenseNet121",
        "keras.applications:DenseNet121",
        keras_name="densenet121",
        image_size=224,
        weights_url=f"{_APPLICATIONS}/densenet/"
        "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        weights_hash="30ee3e1110167f948a6b9946edeeb738",
        scale=(1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
        offset=(-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
)

BACKBONES = {spec.name: spec for spec in _ROWS}


def check_backbone(name: str) -> BackboneSpec:
    """Returns the backbone's spec; raises `UserError` where there is none.

    A function of the user's own, `package.module:function`, needs no row.
    """
    if is_own(name):
        return BackboneSpec(name, name, keras_name=None, image_size=OWN_IMAGE_SIZE)
    if name not in BACKBONES:
        raise UserError(
            f"Unknown backbone {name!r}: choose one of {', '.join(BACKBONES)}."
        )
    return BACKBONES[name]
