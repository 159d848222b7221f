"""The paper's model: backbone, ODE block or none, final layer."""

import keras
import tensorflow as tf

BLOCK_INPUTS = ("pooled", "feature_map")


@keras.saving.register_keras_serializable(package="node_transfer")
class TransferClassifier(tf.keras.Model):
    """An image classifier: backbone, an optional block on its features, a Dense layer.

    The backbone is kept in the saved model as it is, layer by layer, so that a reloaded
    model is the same function, whichever weights it began with.

    Args:
        backbone: A built Keras model from images to a feature map, see
            `node_transfer.build_backbone`.
        num_classes: Number of logits.
        block: A Keras layer that keeps the shape of its input, such as `ODELayer`, or
            `None`.
        block_input: `"pooled"`: the block works on the averaged features, shape
            `(batch, channels)`; `"feature_map"`: on the map before averaging, shape
            `(batch, height, width, channels)`.
        **kwargs: Passed to `tf.keras.Model`.

    Call arguments:
        inputs: Images, shape `(batch, height, width, 3)`, in the backbone's input range.

    Returns:
        Logits, shape `(batch, num_classes)`, float32.

    Raises:
        ValueError: An argument is not as described.

    Example:

    >>> backbone, _ = build_backbone("EfficientNetB0", weights="imagenet")
    >>> model = TransferClassifier(backbone, 5, block=ODELayer(DenseDynamics(128)))
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss, metrics=["accuracy"])

    Reference: Rajath, Aithal & Natarajan, Transfer Learning using Neural Ordinary
    Differential Equations, section III.
    """

    def __init__(self, backbone, num_classes, block=None, block_input="pooled", **kwargs):
        super().__init__(**kwargs)
        if block_input not in BLOCK_INPUTS:
            raise ValueError(
                f"block_input is {block_input!r}: choose pooled or feature_map."
            )
        if num_classes < 1:
            raise ValueError(f"num_classes is {num_classes}: pass a positive integer.")
        self.num_classes = num_classes
        self.block_input = block_input
        self.backbone = backbone
        self.block = block
        self.pooling = keras.layers.GlobalAveragePooling2D(name="pooling")
        self.head = keras.layers.Dense(num_classes, dtype="float32", name="head")
        self.build(backbone.input_shape)

    @property
    def image_size(self) -> int:
        """Height and width of the images that the backbone takes, in pixels."""
        return self.backbone.input_shape[1]

    def build(self, input_shape):
        features = self.backbone.output_shape
        pooled = (features[0], features[-1])
        if self.block is not None and not self.block.built:
            self.block.build(pooled if self.block_input == "pooled" else features)
            self.block.built = True
        if not self.head.built:
            self.head.build(pooled)
        self.built = True

    def call(self, inputs, training=None):
        features = self.backbone(inputs, training=training)
        if self.block is not None and self.block_input == "feature_map":
            features = self.block(features, training=training)
        features = self.pooling(features)
        if self.block is not None and self.block_input == "pooled":
            features = self.block(features, training=training)
        return self.head(features)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_classes)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "backbone": serialize(self.backbone),
            "num_classes": self.num_classes,
            "block": None if self.block is None else serialize(self.block),
            "block_input": self.block_input,
        }

    @classmethod
    def from_config(cls, config):
        for part in ("backbone", "block"):
            if config[part] is not None:
                config[part] = keras.saving.deserialize_keras_object(config[part])
        return cls(**config)
