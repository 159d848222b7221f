"""What a classifier warns of: pixels on another scale, a loss of probabilities."""

import inspect
import warnings

import keras
import numpy as np
import tensorflow as tf

_LOOKED_AT = 32  # images of the first batch
_SMALL = 1 / 50  # a network that multiplies by less takes pixels from 0 to 255
_FIRST_LAYERS = 4  # among which a network has those that scale its pixels


def takes_pixels_to_255(backbone: keras.Model) -> bool:
    """Whether a network scales pixels from 0 to 255 itself, as its first layers say."""
    for layer in backbone.layers[:_FIRST_LAYERS]:
        if isinstance(layer, keras.layers.Rescaling) and np.max(layer.scale) < _SMALL:
            return True
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is not None:
            return bool(np.max(layer.input_mean) > 1)
    return False


class PixelWatch:
    """Warns, once, where the first images that a classifier is given are scaled already.

    Such images are from 0 to 1, or about 0, with fractions. Those from 0 to 255 are
    whole numbers or reach further, dark ones and masks included. What is looked at is
    there already: no graph has an operation for it, and no data set is read for it.

    Args:
        backbone: The network. One that takes pixels on another scale is not watched.
    """

    def __init__(self, backbone: keras.Model):
        self._watches = takes_pixels_to_255(backbone)

    def look(self, images) -> None:
        """Looks at images where they have values; at most until they say something."""
        if not self._watches:
            return
        if not isinstance(images, np.ndarray):
            if not (isinstance(images, tf.Tensor) and hasattr(images, "numpy")):
                return
            with tf.init_scope():  # a function's graph may hold images that are there
                images = images[:_LOOKED_AT].numpy()
        self._look_at_array(images[:_LOOKED_AT])

    def looked_at(self, x):
        """Returns what a model is to be given in place of x, which is looked at: x, or
        a data set like it, whose first batch is looked at when it is read."""
        if isinstance(x, tf.data.Dataset):
            return self._dataset(x) if self._watches else x
        self.look(x)
        return x

    def _dataset(self, dataset: tf.data.Dataset) -> tf.data.Dataset:
        spec = dataset.element_spec
        images = spec[0] if isinstance(spec, tuple) and spec else spec
        if not isinstance(images, tf.TensorSpec) or not images.dtype.is_floating:
            return dataset

        def look(images):
            self._look_at_array(images)
            return np.True_

        def passed_on(index, element):
            images = element[0] if isinstance(spec, tuple) else element
            looked = tf.cond(
                index == 0,
                lambda: tf.numpy_function(look, [images[:_LOOKED_AT]], tf.bool),
                lambda: True,
            )
            with tf.control_dependencies([looked]):
                return tf.nest.map_structure(tf.identity, element)

        observed = dataset.enumerate().map(passed_on)
        if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:  # enumerate has an end
            assertion = tf.data.experimental.assert_cardinality
            observed = observed.apply(assertion(tf.data.INFINITE_CARDINALITY))
        return observed

    def _look_at_array(self, images: np.ndarray) -> None:
        if not self._watches or not images.size:
            return
        if not np.issubdtype(images.dtype, np.floating):
            self._watches = False
            return
        low, high = float(images.min()), float(images.max())
        if high > (1 if low >= 0 else 3) or low < -3:
            self._watches = False
        elif (images != np.round(images)).any():
            self._watches = False
            warnings.warn(
                f"The images have pixels from {low:.3g} to {high:.3g}, and the model "
                "takes pixels from 0 to 255, which it scales itself: leave out what "
                "scales them before it, such as a division by 255.",
                stacklevel=2,
            )


def warn_of_probabilities(loss) -> None:
    """Warns of a loss that takes a classifier's logits for probabilities.

    Args:
        loss: As a model is compiled with it.
    """
    if not isinstance(loss, str | keras.losses.Loss) and not callable(loss):
        return
    loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        of_logits = loss.get_config().get("from_logits", True)
    else:
        parameter = inspect.signature(loss).parameters.get("from_logits")
        of_logits = parameter is None or parameter.default is not False
    if not of_logits:
        warnings.warn(
            "The model returns logits, and its loss takes probabilities: compile it "
            "with loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True).",
            stacklevel=3,
        )
