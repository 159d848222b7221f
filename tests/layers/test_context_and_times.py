"""Conditional ODEs, and whole trajectories, in models and in files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3)).astype("float32")
RATE = RNG.uniform(0.5, 1.5, size=(4, 1)).astype("float32")


def serializable(thing):
    return keras.saving.register_keras_serializable(package="tests")(thing)


@serializable
class Rated(keras.layers.Layer):
    """dh/dt = rate h, with the rate given."""

    def call(self, t, h, context):
        return context * h


@serializable
class Shifted(keras.layers.Layer):
    """dh/dt = rate h + shift[kind], a context in two parts, one of them integers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.shift = keras.layers.Embedding(2, 3)

    def call(self, h, *, context):
        assert context["kind"].dtype == tf.int32
        return context["rate"] * h + self.shift(context["kind"])


@serializable
class Optional(keras.layers.Layer):
    def call(self, t, h, context=None):
        return h if context is None else context * h


def exact_gradients():
    """Of the sum of exp(rate) x: for x and for the rate."""
    growth = np.exp(RATE) * np.ones_like(X)
    return growth, (growth * X).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_gradient_reaches_the_context(gradient, graph):
    layer = ODELayer(Rated(), gradient=gradient, rtol=1e-6, atol=1e-6)

    def compute(x, rate):
        with tf.GradientTape() as tape:
            tape.watch([x, rate])
            y = layer(x, context=rate)
        return y, tape.gradient(y, [x, rate])

    layer(X, context=RATE)
    compute = tf.function(compute) if graph else compute
    y, gradients = compute(tf.constant(X), tf.constant(RATE))
    assert np.allclose(y, np.exp(RATE) * X, rtol=1e-4)
    for ours, exact in zip(gradients, exact_gradients(), strict=True):
        assert np.allclose(ours, exact, rtol=1e-4)


def conditional_model():
    state, rate = keras.Input((3,)), keras.Input((1,))
    kind = keras.Input((), dtype="int32")
    layer = ODELayer(Shifted(), rtol=1e-6, atol=1e-6)
    h1 = layer(state, context={"rate": keras.layers.Dense(1)(rate), "kind": kind})
    return keras.Model([state, rate, kind], h1)


def test_model_with_a_context_trains_saves_and_reloads(tmp_path):
    model = conditional_model()
    x = [X, RATE, np.array([0, 1, 1, 0], "int32")]
    model.compile(keras.optimizers.SGD(0.05), "mse")
    losses = model.fit(x, 2 * X, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    left, right = (m.predict(x, verbose=0) for m in (model, again))
    assert np.array_equal(left, right)
    (dense,) = [x for x in model.layers if isinstance(x, keras.layers.Dense)]
    rate = dense(RATE).numpy()
    shift = model.layers[-1].dynamics.shift(x[2]).numpy()
    solution = np.exp(rate) * X + shift * np.expm1(rate) / rate
    assert np.allclose(left, solution, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "dynamics",
    [
        lambda t, h, rate: rate * h,
        lambda h, context: context * h,
        lambda t, h, *, context=2.0: context * h,
        Optional(),
    ],
)
def test_context_goes_where_the_dynamics_take_it(dynamics):
    assert np.allclose(ODELayer(dynamics)(X, RATE), np.exp(RATE) * X, rtol=1e-3)


def test_functional_model_takes_the_context_third():
    t, h, rate = keras.Input((1,)), keras.Input((3,)), keras.Input((1,))
    dynamics = keras.Model(
        [t, h, rate], keras.ops.multiply(keras.ops.multiply(t, rate), h)
    )
    y = ODELayer(dynamics)(X, context=RATE)
    assert np.allclose(y, np.exp(RATE / 2) * X, rtol=1e-3)


def test_context_of_half_precision_is_given_in_the_dtype_of_the_solve():
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = ODELayer(Rated(), gradient="adjoint")
    rate = tf.constant(RATE, tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(rate)
        y = layer(X, context=rate)
    gradient = tape.gradient(y, rate)
    assert gradient.dtype == tf.bfloat16
    assert np.allclose(tf.cast(gradient, tf.float32), exact_gradients()[1], rtol=0.05)


def test_context_too_many_or_missing_is_refused():
    with pytest.raises(ValueError, match="take no context, and one is given"):
        ODELayer(DenseDynamics(3))(X, context=RATE)
    layer = ODELayer(Rated())
    layer(X, context=RATE)
    with pytest.raises(ValueError, match="need a context: call the layer as"):
        layer(X)
    optional = ODELayer(Optional())
    assert np.allclose(optional(X), np.e * X, rtol=1e-3)
    assert np.allclose(optional(X, context=RATE), np.exp(RATE) * X, rtol=1e-3)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
@pytest.mark.parametrize(
    ("times", "kwargs"),
    [
        ([0.5, 1.0, 2.0], {}),
        ([0.0, 0.5, 1.0], {}),
        ([1.5], {"t0": 1.0}),
        ([1.0, -1.0], {"t0": 1.0}),
        ([-0.5, -2.0], {"method": "rk4", "options": {"num_steps": 20}}),
    ],
)
def test_states_at_the_times_asked_for(times, kwargs, gradient):
    layer = ODELayer(lambda t, h: h, times=times, gradient=gradient, **kwargs)
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y[:, -1])
    growth = np.exp(np.array(times) - kwargs.get("t0", 0.0))
    assert y.shape == (4, len(times), 3)
    assert np.allclose(y, growth[None, :, None] * X[:, None], rtol=1e-4)
    assert np.allclose(tape.gradient(loss, x), growth[-1], rtol=1e-4)


@pytest.mark.slow
def test_trajectory_in_a_model_is_a_sequence_and_reloads(tmp_path):
    inputs = keras.Input((5, 5, 2))
    layer = ODELayer(keras.layers.Conv2D(2, 3, padding="same"), times=[0.1, 0.4])
    sequence = layer(inputs)
    assert sequence.shape == (None, 2, 5, 5, 2)
    assert layer.compute_output_shape((None, 5, 5, 2)) == sequence.shape
    assert (layer.t0, layer.t1) == (0.0, 0.4)
    model = keras.Model(inputs, keras.layers.ConvLSTM2D(1, 3)(sequence))
    model.compile("sgd", "mse")
    images = RNG.normal(size=(3, 5, 5, 2)).astype("float32")
    model.fit(images, np.zeros((3, 3, 3, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[1].times == (0.1, 0.4)
    left, right = (m.predict(images, verbose=0) for m in (model, again))
    assert np.array_equal(left, right)


@pytest.mark.parametrize(
    ("kwargs", "complaint"),
    [
        ({"times": []}, r"times is \[\]: pass a list"),
        ({"times": 0.5}, "times is 0.5: pass a list"),
        ({"times": [0.0]}, "the interval is empty"),
        ({"times": [0.5, 0.2]}, "strictly increase or strictly decrease"),
        ({"times": [0.5, 0.5]}, "strictly increase or strictly decrease"),
        ({"times": [0.5, 1.0], "t0": 0.7}, "from t0 on"),
        ({"times": [0.5], "t1": 1.0}, "leave t1 out"),
        ({"t1": float("nan")}, "pass finite numbers"),
    ],
)
def test_times_that_go_nowhere_are_refused_when_the_layer_is_made(kwargs, complaint):
    with pytest.raises(ValueError, match=complaint):
        ODELayer(DenseDynamics(3), **kwargs)
