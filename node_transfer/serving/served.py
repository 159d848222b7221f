"""The function that an export holds: from images to the probabilities of the classes."""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

from node_transfer.errors import UserError
from node_transfer.models.transfer_classifier import TransferClassifier

IMAGES, PROBABILITIES, CLASSES = "images", "probabilities", "classes"


def image_spec(model: TransferClassifier, any_size: bool) -> tf.TensorSpec:
    """What a model's export takes: a batch of any number of images.

    Args:
        model: The model.
        any_size: Whether of any height and width, as far as the model takes them.

    Raises:
        UserError: They have to be of one size, and the model has none.
    """
    height, width, channels = model.input_shape[1:]
    if not any_size:
        height, width = height or model.image_size, width or model.image_size
        if height is None or width is None:
            raise UserError(
                "The model takes images of every size, and this format those of one: "
                "pass format='saved_model'."
            )
    return tf.TensorSpec([None, height, width, channels], model.input_dtype, IMAGES)


def served(
    model: TransferClassifier, spec: tf.TensorSpec, class_names: Sequence[str] | None
) -> tf.types.experimental.PolymorphicFunction:
    """A function of `images` that returns a dictionary.

    `probabilities`, float32 of shape `(batch, classes)`; and with `class_names`
    `classes`, the names of the most probable ones, strings of shape `(batch,)`.

    Args:
        model: The model.
        spec: What the function takes.
        class_names: In the order of the probabilities; `None`: no names.
    """

    @tf.function(input_signature=[spec], autograph=False)
    def serve(images):
        logits = model(images, training=False)
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        outputs = {PROBABILITIES: probabilities}
        if class_names is not None:
            best = tf.argmax(probabilities, axis=-1)
            outputs[CLASSES] = tf.gather(tf.constant(class_names), best)
        return outputs

    return serve


def frozen(function, spec: tf.TensorSpec):
    """A function with the values that its variables have now, and no variable.

    Args:
        function: As `served` returns it, of probabilities alone.
        spec: What it takes.
    """
    constant = convert_variables_to_constants_v2(
        function.get_concrete_function(), lower_control_flow=False
    )

    @tf.function(input_signature=[spec], autograph=False)
    def serve(images):
        (probabilities,) = constant(images)
        return {PROBABILITIES: probabilities}

    return serve
