"""The paper's model: backbone, ODE block or none, final layer."""

import contextlib
import copy
from collections.abc import Sequence

import keras
import tensorflow as tf

from node_transfer.layers.resizing_layer import ResizingLayer
from node_transfer.models import cpu_training, earlier_files
from node_transfer.models.blocks import BLOCK_INPUTS
from node_transfer.models.cpu_training import switch
from node_transfer.models.images import check_images, size_taken
from node_transfer.models.mistakes import PixelWatch, warn_of_probabilities


@keras.saving.register_keras_serializable(package="node_transfer")
class TransferClassifier(tf.keras.Model):
    """An image classifier: backbone, an optional block on its features, a Dense layer.

    A functional model of these parts, so that Keras checks their shapes, and `summary`
    and `keras.utils.plot_model` show them. The backbone is kept in the saved model as it
    is, layer by layer, so that a reloaded model is the same function, whichever weights
    it began with.

    A backbone that is frozen as a whole (`model.backbone.trainable = False`) is computed
    in inference mode, in training too: batch normalization with its moving averages, no
    dropout, no stochastic depth. So its features are one function of the image, and may
    be computed once.

    `keras.models.clone_model` gives a plain functional model, without `block` and the
    other attributes, since it calls constructors of `inputs` and `outputs` alone. Clone
    with `TransferClassifier.from_config(model.get_config())`, which has new weights too.

    Args:
        backbone: A functional Keras model from images to a feature map, see
            `node_transfer.build_backbone`.
        num_classes: Number of logits.
        block: A Keras layer on the features, such as `ODELayer`, or `None`. It may
            change the number of channels.
        block_input: `"pooled"`: the block works on the averaged features, shape
            `(batch, channels)`; `"feature_map"`: on the map before averaging, shape
            `(batch, height, width, channels)`.
        class_names: Names of the classes, in the order of the logits, each a string;
            `None` where they are not known.
        resize: How images of another size than the backbone's are given it:
            `"stretch"`, `"crop"` or `"pad"`, see `ResizingLayer`.
        name, trainable, dtype: As for every Keras layer.

    Call arguments:
        inputs: Images, uint8 or float, shape `(batch, height, width, 3)`, of any height
            and width, which become the backbone's; pixels as the backbone takes them: 0
            to 255 for every one of `node_transfer.build_backbone`, and a warning where
            the first are scaled already. Images of one channel are refused.

    Returns:
        Logits, shape `(batch, num_classes)`, float32; `fit` warns of a loss that
        takes them for probabilities.

    Attributes:
        class_names: A tuple of strings, or `None`.
        resizing: The layer that gives images their size; `None` for a backbone that
            takes every size itself.

    Raises:
        ValueError: An argument is not as described, or the images have another rank or
            another number of channels.

    Example:

    >>> backbone = build_backbone("EfficientNetB0", weights=None)  # or "imagenet"
    >>> model = TransferClassifier(backbone, 5, block=ODELayer(DenseDynamics(128)))
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss, metrics=["accuracy"])
    >>> model.input_shape, model.output_shape
    ((None, None, None, 3), (None, 5))

    Reference: Rajath, Aithal & Natarajan, Transfer Learning using Neural Ordinary
    Differential Equations, section III.
    """

    def __init__(
        self,
        backbone: keras.Model,
        num_classes: int,
        block: keras.layers.Layer | None = None,
        block_input: str = "pooled",
        *,
        class_names: Sequence[str] | None = None,
        resize: str = "stretch",
        name: str | None = None,
        trainable: bool = True,
        dtype=None,
    ):
        if block_input not in BLOCK_INPUTS:
            raise ValueError(
                f"block_input is {block_input!r}: choose pooled or feature_map."
            )
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}: pass a positive integer.")
        class_names = _checked_names(class_names, num_classes)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        pooling = keras.layers.GlobalAveragePooling2D(dtype=policy, name="pooling")
        head = keras.layers.Dense(num_classes, dtype="float32", name="head")
        size, shape = size_taken(backbone), list(backbone.input_shape)
        resizing = None
        if size is not None:
            shape[1:3] = None, None
            resizing = ResizingLayer(*size, resize, dtype="float32", name="resizing")
        images = keras.Input(
            batch_shape=shape, dtype=backbone.inputs[0].dtype, name="images"
        )
        features = backbone(images if resizing is None else resizing(images))
        if block is not None and block_input == "feature_map":
            features = block(features)
        features = pooling(features)
        if block is not None and block_input == "pooled":
            features = block(features)
        super().__init__(inputs=images, outputs=head(features), name=name)
        self.dtype_policy = policy
        if not trainable:  # True would also thaw a backbone that is frozen
            self.trainable = False
        self.num_classes = num_classes
        self.class_names = class_names
        self.block_input = block_input
        self.resize = resize
        self.resizing = resizing
        self.backbone = backbone
        cpu_training.prepare(backbone)
        self.block = block
        self.pooling = pooling
        self.head = head
        self._pixels = PixelWatch(backbone)

    @property
    def image_size(self) -> int:
        """Height and width of the images that the backbone takes, in pixels."""
        return self.backbone.input_shape[1]

    @property
    def uses_feature_map(self) -> bool:
        """Whether the block works on the feature map, before averaging."""
        return self.block is not None and self.block_input == "feature_map"

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """Returns what a frozen backbone makes of images, in inference mode.

        Args:
            images: As the model takes them.

        Returns:
            The backbone's feature map, shape `(batch, height, width, channels)`, where
            the block works on it; else its average, shape `(batch, channels)`.
        """
        if self.resizing is not None:
            images = self.resizing(images)
        feature_map = self.backbone(images, training=False)
        return feature_map if self.uses_feature_map else self.pooling(feature_map)

    def classify(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns the logits of features, see `features`."""
        if self.block is not None:
            features = self.block(features, training=training)
        if self.uses_feature_map:
            features = self.pooling(features)
        return self.head(features)

    def call(self, inputs, training=None, mask=None):
        if training and not self.backbone.trainable:
            return self.classify(self.features(inputs), training=True)
        with switch.quick() if training else contextlib.nullcontext():
            return super().call(inputs, training=training, mask=mask)

    def __call__(self, inputs, *args, **kwargs):
        check_images(inputs, self.input_shape)
        self._pixels.look(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def fit(self, x=None, *args, **kwargs):
        # Not in compile, without which Keras could not load the model compiled.
        warn_of_probabilities(self.loss)
        return super().fit(self._pixels.looked_at(x), *args, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        return super().evaluate(self._pixels.looked_at(x), *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        return super().predict(self._pixels.looked_at(x), *args, **kwargs)

    def train_on_batch(self, x, *args, **kwargs):
        return super().train_on_batch(self._pixels.looked_at(x), *args, **kwargs)

    def load_own_variables(self, store):
        super().load_own_variables(store)
        earlier_files.rearrange(store, self)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "backbone": serialize(self.backbone),
            "num_classes": self.num_classes,
            "block": None if self.block is None else serialize(self.block),
            "block_input": self.block_input,
            "class_names": self.class_names and list(self.class_names),
            "resize": self.resize,
            "head_trainable": self.head.trainable,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        def made(part):
            return keras.saving.deserialize_keras_object(
                copy.deepcopy(config[part]),  # layers take theirs apart
                custom_objects=custom_objects,
            )

        arguments = {**config, "backbone": made("backbone"), "block": made("block")}
        head_trainable = arguments.pop("head_trainable", True)  # not in earlier files
        model = cls(**arguments)
        if not head_trainable:  # True would thaw it in a model that is frozen
            model.head.trainable = False
        return model


def _checked_names(names: Sequence[str] | None, count: int) -> tuple[str, ...] | None:
    if names is None:
        return None
    names = tuple(names)
    if len(names) != count or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"class_names is {names!r}: pass {count} strings, as many as num_classes, or "
            "None."
        )
    return names
