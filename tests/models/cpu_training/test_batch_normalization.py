"""Batch normalization in training: Keras's numbers, by one operation."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import TransferClassifier
from node_transfer.models.cpu_training import batch_normalization, switch

RNG = np.random.default_rng(0)
ONE = "FusedBatchNormV3"


def normalized(layer, images, prepared):
    """Outputs, gradients and moving averages of a layer that was never called before."""
    layer.build(images.shape)
    layer.gamma.assign(np.linspace(-1, 2, images.shape[-1]))
    layer.beta.assign(np.linspace(3, 1, images.shape[-1]))
    if prepared:
        batch_normalization.prepare(layer)
    with switch.quick(), tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images, training=True)
        loss = tf.reduce_sum(tf.sin(outputs))
    sources = [images, layer.gamma.value, layer.beta.value]
    averages = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    return outputs, *tape.gradient(loss, sources), *averages


@pytest.mark.parametrize(
    "shape", [(5, 3, 4, 6), (7, 1, 1, 6), (1, 1, 1, 6), (2, 1, 1, 6)]
)
@pytest.mark.parametrize("mean", [0, 30])
def test_outputs_gradients_and_moving_averages_are_those_of_keras(shape, mean):
    images = tf.constant(mean + RNG.normal(size=shape), tf.float32)
    options = {"momentum": 0.7, "epsilon": 0.01}
    ours, theirs = (
        normalized(keras.layers.BatchNormalization(**options), images, prepared)
        for prepared in (True, False)
    )
    for ours_, right in zip(ours, theirs, strict=True):
        scale = max(np.abs(right).max(), 1)
        np.testing.assert_allclose(ours_, right, rtol=0, atol=3e-5 * scale)


def classifier(**options):
    images = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization(**options)(images)
    return TransferClassifier(keras.Model(images, x), 5)


def operations(model, training=True):
    spec = tf.TensorSpec((None, *model.input_shape[1:]))
    call = tf.function(lambda x: model(x, training=training))
    names = call.get_concrete_function(spec).graph.get_operations()
    return sum(op.type == ONE for op in names)


@pytest.mark.parametrize(
    "options",
    [
        {"scale": False},
        {"center": False},
        {"axis": 1},
        {"synchronized": True},
        {"renorm": True},
        {"dtype": "float64"},
        {"dtype": "mixed_bfloat16"},
        {"dtype": "float64", "autocast": False},
    ],
    ids=str,
)
def test_a_layer_of_another_kind_is_keras_s(options):
    assert operations(classifier(**options)) == 0


def test_in_training_alone_and_only_where_the_layer_trains(monkeypatch):
    model = classifier()
    assert operations(model) == 1
    assert operations(model, training=False) == 0
    model.backbone.layers[1].trainable = False
    assert operations(model) == 0
    model.backbone.layers[1].trainable = True
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    assert operations(model) == 0


def test_what_xla_compiles_is_keras_s():
    """XLA's variance is a difference of squares: here it has no digit that is right."""
    images = (np.array([200, 130, 90]) + 0.1 * RNG.normal(size=(32, 4, 4, 3))).astype(
        "f4"
    )
    model = classifier(momentum=0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=True)
    history = model.fit(images, np.arange(32) % 5, batch_size=32, epochs=2, verbose=0)
    assert np.all(np.isfinite(history.history["loss"]))
    variance = model.backbone.layers[1].moving_variance
    right = images.astype("f8").var((0, 1, 2))
    np.testing.assert_allclose(variance, right, rtol=1e-3)


def test_a_call_of_one_s_own_is_kept():
    layer = keras.layers.BatchNormalization()
    plain = functools.partial(type(layer).call, layer, training=False)
    layer.call = plain
    batch_normalization.prepare(layer)
    assert layer.call is plain


def test_replicas_average_what_keras_has_them_average():
    averages = []
    for prepared in (True, False):
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        with strategy.scope():
            layer = keras.layers.BatchNormalization()
            network = keras.Sequential([keras.Input((2, 2, 3)), layer])
            if prepared:
                batch_normalization.prepare(layer)

        @tf.function
        def step(images, network=network):
            with switch.quick():
                return network(images, training=True)

        images = tf.reshape(tf.range(24.0), (2, 2, 2, 3))
        strategy.run(step, args=(images,))
        averages.append(network.get_weights())
    for ours, theirs in zip(*averages, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_files_and_copies_know_nothing_of_it(tmp_path):
    model = classifier()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = RNG.normal(size=(2, 4, 4, 3)).astype("float32")
    np.testing.assert_array_equal(loaded(images), model(images))
    assert operations(loaded) == 1
    copied = keras.models.clone_model(model.backbone)
    assert all("call" not in vars(layer) for layer in copied.layers)


def test_not_where_it_is_not_asked_for():
    model = classifier()
    layer = model.backbone.layers[1]
    call = tf.function(lambda x: layer(x, training=True))
    graph = call.get_concrete_function(tf.TensorSpec((None, 4, 4, 3))).graph
    assert not any(op.type == ONE for op in graph.get_operations())
