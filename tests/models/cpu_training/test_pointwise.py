"""1x1 convolutions of a network in training: the same numbers, by products."""

import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import TransferClassifier
from node_transfer.models.cpu_training import pointwise, switch

RNG = np.random.default_rng(0)


def backbone(size=None):
    """Four of its convolutions are products in training, one of them within a part."""
    images = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", name="large")(images)
    x = keras.layers.Conv2D(12, 1, name="one", activation="relu")(x)
    x = keras.layers.Conv2D(12, 1, groups=2, name="groups")(x)
    x = keras.layers.Conv2D(8, 1, strides=2, name="strides")(x)
    x = keras.layers.Conv2D(8, 1, padding="same", use_bias=False, name="two")(x)
    part = keras.Sequential([keras.Input((None, None, 8)), keras.layers.Conv2D(6, 1)])
    squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True)(part(x))
    return keras.Model(images, keras.layers.Conv2D(4, 1, name="squeezed")(squeezed))


def products(model, training):
    """How many products of matrices there are in a call."""
    spec = tf.TensorSpec((None, 16, 16, 3))
    call = tf.function(lambda x: model(x, training=training)).get_concrete_function(spec)
    return sum(op.type == "MatMul" for op in call.graph.get_operations())


@pytest.mark.parametrize("size", [16, None])
def test_in_training_alone_and_only_where_it_is_one(size):
    model = TransferClassifier(backbone(size), 5)
    assert products(model, training=True) == 1 + 4
    assert products(model, training=False) == 1  # the final layer


def test_outputs_and_gradients_are_those_of_convolutions(monkeypatch):
    model = TransferClassifier(backbone(), 5)
    images = RNG.normal(size=(7, 17, 13, 3)).astype("float32")

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_sum(tf.sin(logits))
        return [logits, *tape.gradient(loss, model.trainable_variables)]

    ours = step()
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    assert products(model, training=True) == 1
    convolved = tf.function(step.python_function)()
    for ours_, theirs in zip(ours, convolved, strict=True):
        np.testing.assert_allclose(ours_, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32", "mixed_bfloat16"])
def test_a_convolution_agrees_with_numpy(dtype):
    layer = keras.layers.Conv2D(3, 1, dtype=dtype)
    layer.build((None, 4, 5, 6))
    x, seed = RNG.normal(size=(2, 4, 5, 6)), RNG.normal(size=(2, 4, 5, 3))
    pointwise.prepare(layer)
    with switch.quick(), tf.GradientTape() as tape:
        inputs = tf.constant(x, layer.compute_dtype)
        tape.watch(inputs)
        outputs = layer(inputs)
        assert outputs.dtype == layer.compute_dtype
        loss = tf.reduce_sum(tf.cast(outputs, tf.float64) * seed)
    found = [outputs, *tape.gradient(loss, [inputs, layer.kernel.value])]
    kernel = layer.kernel.numpy().astype("float64")[0, 0]
    expected = (
        x @ kernel,
        seed @ kernel.T,
        np.einsum("bhwi,bhwo->io", x, seed)[None, None],
    )
    tolerance = {"float64": 1e-12, "float32": 1e-5, "mixed_bfloat16": 3e-2}[dtype]
    for ours, right in zip(found, expected, strict=True):
        scale = tolerance * np.abs(right).max()
        np.testing.assert_allclose(tf.cast(ours, tf.float64), right, rtol=0, atol=scale)


def test_no_images_are_no_outputs():
    images = keras.Input((16, 16, 3))  # TensorFlow's oneDNN has no convolution of none
    network = keras.Model(images, keras.layers.Conv2D(8, 1)(images))
    model = TransferClassifier(network, 5)
    with tf.GradientTape() as tape:
        logits = model(tf.zeros((0, 16, 16, 3)), training=True)
        loss = tf.reduce_sum(logits)
    assert logits.shape == (0, 5)
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert not np.any(gradient)


def test_files_and_copies_know_nothing_of_it(tmp_path):
    model = TransferClassifier(backbone(), 5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert "convolution_op" not in archive.read("config.json").decode()
    images = RNG.normal(size=(2, 16, 16, 3)).astype("float32")
    np.testing.assert_array_equal(loaded(images), model(images))
    assert products(loaded, training=True) == 1 + 4
    copied = keras.models.clone_model(model.backbone)
    assert all("convolution_op" not in vars(layer) for layer in copied.layers)


def test_a_layer_that_overrides_the_convolution_keeps_its_own():
    class Halved(keras.layers.Conv2D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, kernel) / 2

    network = keras.Sequential([keras.Input((4, 4, 3)), Halved(2, 1)])
    model = TransferClassifier(network, 5)
    assert products(model, training=True) == 1


def test_a_convolution_of_one_s_own_is_kept():
    layer = keras.layers.Conv2D(2, 1)
    layer.convolution_op = own = lambda inputs, kernel: inputs
    pointwise.prepare(layer)
    assert layer.convolution_op is own
