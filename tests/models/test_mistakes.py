"""Pixels on another scale and losses of another kind, as Keras users bring them."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import TransferClassifier, build_backbone
from node_transfer.models.mistakes import takes_pixels_to_255, warn_of_probabilities

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3)).astype("float32")
LABELS = np.arange(6) % 2
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def classifier(scale=1 / 255):
    images = keras.Input((32, 32, 3))
    x = keras.layers.Rescaling(scale)(images)
    x = keras.layers.Conv2D(2, 3, strides=8)(x)
    model = TransferClassifier(keras.Model(images, x), 2)
    model.compile("sgd", LOGITS)
    return model


def batches(images):
    return tf.data.Dataset.from_tensor_slices((images, LABELS)).batch(4)


USES = {
    "call": lambda model, images: model(images),
    "tensor": lambda model, images: model(tf.constant(images)),
    "fit": lambda model, images: model.fit(images, LABELS, verbose=0),
    "fit of a data set": lambda model, images: model.fit(
        batches(images), shuffle=False, verbose=0
    ),
    "evaluate": lambda model, images: model.evaluate(images, LABELS, verbose=0),
    "predict": lambda model, images: model.predict(
        tf.data.Dataset.from_tensor_slices(images).batch(4), verbose=0
    ),
    "train_on_batch": lambda model, images: model.train_on_batch(images, LABELS),
}


@pytest.mark.parametrize("use", USES)
def test_pixels_that_are_scaled_already_are_told_once(use):
    model = classifier()
    with pytest.warns(UserWarning, match="pixels from 0 to 1, and the model takes"):
        USES[use](model, PIXELS / 255)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        USES[use](model, PIXELS / 255)


@pytest.mark.parametrize(
    ("images", "scale"),
    [
        (PIXELS, 1 / 255),
        (PIXELS.astype("uint8"), 1 / 255),
        (PIXELS + 0.5, 1 / 255),  # as resizing leaves them
        (np.zeros_like(PIXELS), 1 / 255),  # black
        ((PIXELS > 127).astype("float32"), 1 / 255),  # 0 and 1: a dark mask
        (PIXELS / 255, 1.0),  # a network that takes these
    ],
    ids=["whole", "uint8", "resized", "black", "mask", "other network"],
)
def test_pixels_as_the_network_takes_them_are_no_alarm(images, scale):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        USES["call"](classifier(scale), images)
        USES["fit of a data set"](classifier(scale), images)


def test_pixels_about_zero_are_told_and_an_infinite_data_set_stays_so():
    model = classifier()
    data = batches(PIXELS / 127.5 - 1)
    with pytest.warns(UserWarning, match="pixels from -1 to 1"):
        model.fit(data.repeat(), steps_per_epoch=3, shuffle=False, verbose=0)
    watched = classifier()._pixels.looked_at(data.repeat())
    assert watched.cardinality() == tf.data.INFINITE_CARDINALITY
    assert classifier()._pixels.looked_at(data).cardinality() == 2


def test_the_graph_has_no_operation_for_it():
    model = classifier()
    traced = tf.function(model).get_concrete_function(tf.TensorSpec(PIXELS.shape))
    names = {op.type for op in traced.graph.get_operations()}
    assert not {name for name in names if "PyFunc" in name or name in ("Min", "Max")}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("EfficientNetB0", 32),
        ("MobileNetV3Large", 32),
        ("ResNet50V2", 32),
        pytest.param("ConvNeXtTiny", 32, marks=pytest.mark.slow),
        pytest.param("DenseNet121", 32, marks=pytest.mark.slow),
        pytest.param("EfficientNetV2S", 32, marks=pytest.mark.slow),
    ],
)
def test_backbones_are_known_to_scale_pixels(name, size):
    assert takes_pixels_to_255(build_backbone(name, weights=None, image_size=size))


def test_keras_own_networks_that_want_scaled_pixels_are_not_watched():
    network = keras.applications.MobileNet((32, 32, 3), include_top=False, weights=None)
    assert not takes_pixels_to_255(network)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.sparse_categorical_crossentropy,
    ],
    ids=["name", "object", "function"],
)
def test_a_loss_of_probabilities_is_told(loss):
    model = classifier()
    model.compile("sgd", loss)
    with pytest.warns(UserWarning, match="returns logits, and its loss takes probab"):
        model.fit(PIXELS, LABELS, verbose=0)


@pytest.mark.parametrize("loss", [LOGITS, "mse", None, lambda y, z: (y - z) ** 2])
def test_other_losses_are_not_told(loss):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_probabilities(loss)


def test_images_that_a_function_s_graph_holds_are_looked_at():
    images, model = tf.constant(PIXELS / 255), classifier()

    @tf.function
    def logits():
        return model(images)

    with pytest.warns(UserWarning, match="pixels from 0 to 1, and the model takes"):
        found = logits()
    np.testing.assert_allclose(found, model(images), rtol=1e-5)
