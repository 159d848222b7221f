"""The paper's model: backbone, ODE block or none, final layer."""

import copy

import keras
import tensorflow as tf

from node_transfer.models import earlier_files
from node_transfer.models.blocks import BLOCK_INPUTS


@keras.saving.register_keras_serializable(package="node_transfer")
class TransferClassifier(tf.keras.Model):
    """An image classifier: backbone, an optional block on its features, a Dense layer.

    A functional model of these parts, so that Keras checks their shapes, and `summary`
    and `keras.utils.plot_model` show them. The backbone is kept in the saved model as it
    is, layer by layer, so that a reloaded model is the same function, whichever weights
    it began with.

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
        name, trainable, dtype: As for every Keras layer.

    Call arguments:
        inputs: Images, shape `(batch, height, width, 3)`, pixels as the backbone takes
            them: 0 to 255 for every one of `node_transfer.build_backbone`.

    Returns:
        Logits, shape `(batch, num_classes)`, float32.

    Raises:
        ValueError: An argument is not as described.

    Example:

    >>> backbone = build_backbone("EfficientNetB0", weights="imagenet")
    >>> model = TransferClassifier(backbone, 5, block=ODELayer(DenseDynamics(128)))
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss, metrics=["accuracy"])

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
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        pooling = keras.layers.GlobalAveragePooling2D(dtype=policy, name="pooling")
        head = keras.layers.Dense(num_classes, dtype="float32", name="head")
        images = keras.Input(
            batch_shape=backbone.input_shape,
            dtype=backbone.inputs[0].dtype,
            name="images",
        )
        features = backbone(images)
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
        self.block_input = block_input
        self.backbone = backbone
        self.block = block
        self.pooling = pooling
        self.head = head

    @property
    def image_size(self) -> int:
        """Height and width of the images that the backbone takes, in pixels."""
        return self.backbone.input_shape[1]

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
