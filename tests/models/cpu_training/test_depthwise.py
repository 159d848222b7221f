"""Depthwise convolutions of the smallest images in training: the same numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import TransferClassifier
from node_transfer.models.cpu_training import depthwise, switch

RNG = np.random.default_rng(0)
KERNELS_GRADIENT = "DepthwiseConv2dNativeBackpropFilter"


def convolved(layer, images):
    """A layer's outputs, and the gradients of its images and its kernel."""
    with switch.quick(), tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images)
        loss = tf.reduce_sum(tf.sin(3 * outputs))
    return outputs, *tape.gradient(loss, [images, layer.kernel.value])


@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, (3, 5)])
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_outputs_and_gradients_are_those_of_tensorflow(size, kernel, strides):
    layer = keras.layers.DepthwiseConv2D(
        kernel,
        strides=strides,
        padding="same",
        use_bias=False,
        activation="tanh",
        dtype="float64",
    )
    layer.build((None, *size, 4))
    images = tf.constant(RNG.normal(size=(3, *size, 4)))
    theirs = convolved(layer, images)
    depthwise.prepare(layer)
    ours = convolved(layer, images)
    for ours_, right in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(ours_, right, rtol=0, atol=1e-12)


def test_a_kernel_s_gradient_is_that_of_finite_differences():
    layer = keras.layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, dtype="float64"
    )
    layer.build((None, 2, 2, 2))
    depthwise.prepare(layer)
    images = tf.constant(RNG.normal(size=(3, 2, 2, 2)))
    *_, gradient = convolved(layer, images)
    kernel, step = layer.kernel.numpy(), 1e-6
    for tap in np.ndindex(kernel.shape):
        sums = []
        for sign in (1, -1):
            moved = kernel.copy()
            moved[tap] += sign * step
            layer.kernel.assign(moved)
            sums.append(tf.reduce_sum(tf.sin(3 * layer(images))))
        expected = (sums[0] - sums[1]) / (2 * step)
        np.testing.assert_allclose(gradient[tap], expected, rtol=1e-7, atol=1e-8)


def classifier(size, **options):
    images = keras.Input((size, size, 3))
    options = {"padding": "same", "use_bias": False, **options}
    x = keras.layers.DepthwiseConv2D(3, **options)(images)
    return TransferClassifier(keras.Model(images, x), 5)


def tensorflows(model, dtype=tf.float32):
    """How many of TensorFlow's gradients of depthwise kernels are in a training step."""

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images, training=True))
        return tape.gradient(loss, model.trainable_variables)

    spec = tf.TensorSpec((None, *model.input_shape[1:]), dtype)
    operations = step.get_concrete_function(spec).graph.get_operations()
    return sum(op.type == KERNELS_GRADIENT for op in operations)


def test_only_where_images_are_small_and_the_layer_is_plain():
    assert tensorflows(classifier(2)) == 0
    assert tensorflows(classifier(3)) == 1
    assert tensorflows(classifier(None)) == 1
    assert tensorflows(classifier(2, use_bias=True)) == 1
    assert tensorflows(classifier(2, dilation_rate=2)) == 1
    assert tensorflows(classifier(2, depth_multiplier=2)) == 1
    assert tensorflows(classifier(2, dtype="mixed_float16")) == 1
    assert tensorflows(classifier(2, strides=(1, 2))) == 1


def test_a_call_of_one_s_own_is_kept():
    layer = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)
    layer.call = own = lambda inputs: inputs
    depthwise.prepare(layer)
    assert layer.call is own


def test_not_on_a_gpu_and_not_in_inference(monkeypatch):
    model = classifier(2)
    images = tf.constant(RNG.normal(size=(3, 2, 2, 3)).astype("float32"))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(model(images, training=False)))
    inference = tape.gradient(loss, model.trainable_variables)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(model(images, training=True)))
    for one, other in zip(
        inference, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    assert tensorflows(model) == 1


def test_no_images_are_no_gradient():
    model = classifier(2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.zeros((0, 2, 2, 3)), training=True))
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert not np.any(gradient)


def test_files_and_copies_know_nothing_of_it(tmp_path):
    model = classifier(2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = RNG.normal(size=(2, 2, 2, 3)).astype("float32")
    np.testing.assert_array_equal(loaded(images), model(images))
    assert tensorflows(loaded) == 0
    copied = keras.models.clone_model(model.backbone)
    assert all("call" not in vars(layer) for layer in copied.layers)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(exported.serve(images), model(images), rtol=1e-6)
