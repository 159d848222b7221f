"""Adam's steps as one operation: Keras's numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer.training import fused_adam

RNG = np.random.default_rng(0)
START = [RNG.normal(size=(3, 4)), RNG.normal(size=5)]
GRADIENTS = [[10.0**-k * RNG.normal(size=w.shape) for w in START] for k in range(6)]

OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.1),
    "options": lambda: keras.optimizers.Adam(
        0.1, beta_1=0.6, beta_2=0.9, epsilon=0.01, global_clipnorm=1.0
    ),
    "schedule, weight decay": lambda: keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(0.1, 5), weight_decay=0.1
    ),
    "moving average": lambda: keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5),
    "gradient accumulation": lambda: keras.optimizers.Adam(
        0.1, gradient_accumulation_steps=2
    ),
    "amsgrad": lambda: keras.optimizers.Adam(0.1, amsgrad=True),
    "another": lambda: keras.optimizers.Nadam(0.1),
}


def stepped(optimizer, dtype, gradients=GRADIENTS):
    """The weights and the optimizer's state after a step with each of the gradients."""
    weights = [keras.Variable(start, dtype=dtype) for start in START]
    optimizer.build(weights)

    @tf.function(reduce_retracing=True)
    def step(*gradients):
        optimizer.apply_gradients(zip(gradients, weights, strict=True))

    for some in gradients:
        step(*(tf.constant(gradient, dtype) for gradient in some))
    return [v.numpy() for v in (*weights, *optimizer.variables)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("which", OPTIMIZERS)
def test_weights_and_state_are_those_of_keras(which, dtype):
    fused, theirs = OPTIMIZERS[which](), OPTIMIZERS[which]()
    fused_adam.fuse(fused)
    # Of both, some part comes of a beta that is rounded to float32, at any dtype.
    for ours, right in zip(stepped(fused, dtype), stepped(theirs, dtype), strict=True):
        np.testing.assert_allclose(ours, right, rtol=2e-5, atol=2e-5)


def test_a_step_is_that_of_the_paper():
    """Kingma & Ba (2015), algorithm 1, with the order of its section 2's end."""
    optimizer = keras.optimizers.Adam(0.1, beta_1=0.5, beta_2=0.75, epsilon=2**-10)
    fused_adam.fuse(optimizer)
    found = stepped(optimizer, "float64")[: len(START)]
    for index, (weight, ours) in enumerate(zip(START, found, strict=True)):
        m = v = 0.0
        for t, gradients in enumerate(GRADIENTS, start=1):
            m = 0.5 * m + 0.5 * gradients[index]
            v = 0.75 * v + 0.25 * gradients[index] ** 2
            alpha = 0.1 * np.sqrt(1 - 0.75**t) / (1 - 0.5**t)
            weight = weight - alpha * m / (np.sqrt(v) + 2**-10)
        np.testing.assert_allclose(ours, weight, rtol=1e-7)  # 0.1 is a float32


def is_fused(optimizer):
    weight = keras.Variable(np.ones(3), dtype="float32")
    optimizer.build([weight])
    step = tf.function(lambda g: optimizer.apply([g])).get_concrete_function(
        tf.TensorSpec(3)
    )
    return "ResourceApplyAdam" in str(step.graph.as_graph_def())  # in branches as well


@pytest.mark.parametrize("which", OPTIMIZERS)
def test_whose_steps_are_one_operation(which):
    optimizer = OPTIMIZERS[which]()
    fused_adam.fuse(optimizer)
    assert is_fused(optimizer) == (which not in ("amsgrad", "another"))
    assert not is_fused(OPTIMIZERS[which]())


def test_not_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    optimizer = keras.optimizers.Adam()
    fused_adam.fuse(optimizer)
    assert not is_fused(optimizer)


def test_a_gradient_of_some_rows():
    weights = []
    for fuse in (fused_adam.fuse, lambda optimizer: None):
        optimizer = keras.optimizers.Adam(0.1)
        fuse(optimizer)
        weights.append(keras.Variable(START[0]))
        optimizer.build(weights[-1:])
        some = tf.IndexedSlices(tf.ones((1, 4)), tf.constant([1]), tf.constant([3, 4]))
        optimizer.apply_gradients([(some, weights[-1])])
    np.testing.assert_allclose(*weights, rtol=1e-6)
    assert np.any(weights[0] != START[0].astype("float32"))


def test_a_beta_that_a_callback_changes():
    states = []
    for fuse in (fused_adam.fuse, lambda optimizer: None):
        optimizer = keras.optimizers.Adam(0.1)
        optimizer.beta_1 = keras.Variable(0.5)
        fuse(optimizer)
        states.append(stepped(optimizer, "float32"))
    for ours, theirs in zip(*states, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5)


def test_half_precision_and_a_step_of_one_s_own_stay_as_they_are():
    states = []
    for fuse in (fused_adam.fuse, lambda optimizer: None):
        optimizer = keras.optimizers.Adam(0.1)
        fuse(optimizer)
        states.append(stepped(optimizer, "float16"))
    for ours, theirs in zip(*states, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    optimizer.update_step = own = lambda gradient, variable, learning_rate: None
    fused_adam.fuse(optimizer)
    assert optimizer.update_step is own


def test_state_goes_on_where_keras_left_it(tmp_path):
    """A file of one is the other's, and training that goes on with it the same."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    fused_adam.fuse(model.optimizer)
    data = np.ones((8, 4)), RNG.normal(size=(8, 3))
    model.fit(*data, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for one in (model, loaded):
        one.fit(*data, epochs=2, verbose=0)
    for ours, theirs in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
