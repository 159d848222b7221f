"""Dynamics of every kind: they train, are saved, and load to the same function."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer
from node_transfer.layers.function_dynamics import FunctionDynamics
from tests.slowly import slow_after

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype("float32")
E = np.e


def serializable(thing):
    return keras.saving.register_keras_serializable(package="tests")(thing)


@serializable
class NoBuild(keras.layers.Layer):
    """Without weights and without `build`."""

    def call(self, t, h):
        return t * h


@serializable
class OfStateAlone(keras.layers.Layer):
    def call(self, h):
        return -h


@serializable
class Lazy(keras.layers.Layer):
    """Whose inner layers are built by their first call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = [keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)]

    def call(self, t, h):
        return t * self.inner[1](self.inner[0](h))


@serializable
class LazyWithEmptyBuild(Lazy):
    def build(self, t_shape, h_shape):
        pass


@serializable
class BuildOfOneShape(keras.layers.Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 3), name="kernel")

    def call(self, t, h):
        return t * tf.tanh(h @ self.kernel)


@serializable
class TrainedOnly(keras.layers.Layer):
    """Takes Keras's arguments beside its own."""

    def call(self, t, h, training=None, mask=None):
        return h if training else -h


@serializable
def decay(t, h):
    return -t * h


@serializable
def grow(h):
    return h


def functional(*time_shape):
    h = keras.Input((3,))
    dh = keras.layers.Dense(3, "tanh")(h)
    if not time_shape:
        return keras.Model(h, dh)
    t = keras.Input(batch_shape=time_shape[0])
    return keras.Model([t, h], keras.ops.multiply(t, dh))


class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(3, "tanh")

    def call(self, t, h):
        return self.dense(h) * t


KINDS = {
    "a layer without build": NoBuild,
    "a layer of h alone": OfStateAlone,
    "Keras's own layer": lambda: keras.layers.Dense(3, "tanh"),
    "a layer with lazy parts": Lazy,
    "a layer with an empty build": LazyWithEmptyBuild,
    "a layer whose build takes one shape": BuildOfOneShape,
    "a layer with training and mask": TrainedOnly,
    "a sequential model": lambda: keras.Sequential(
        [keras.layers.Dense(4, "tanh"), keras.layers.Dense(3)]
    ),
    "a built sequential model": lambda: keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(3, "tanh")]
    ),
    "a functional model of h": functional,
    "a functional model of [t, h]": lambda: functional((None, 1)),
    "a functional model of scalar t": lambda: functional(()),
    "a subclassed model": serializable(Subclassed),
    "a registered function of t and h": lambda: decay,
    "a registered function of h": lambda: grow,
}


def model_of(layer):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    model.compile(keras.optimizers.SGD(0.05), "mse")
    return model


QUICK = [
    "a layer of h alone",
    "a functional model of [t, h]",
    "a registered function of t and h",
]


@pytest.mark.parametrize(
    "kind", slow_after(len(QUICK), sorted(KINDS, key=lambda kind: kind not in QUICK))
)
def test_kind_trains_saves_and_reloads_bit_for_bit(kind, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        layer = ODELayer(KINDS[kind](), rtol=1e-3, atol=1e-3)
        model = model_of(layer)
        weights = [v.numpy().copy() for v in layer.dynamics.trainable_variables]
        losses = model.fit(X, X[:, :1] ** 2, epochs=3, verbose=0).history["loss"]
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
    assert losses[-1] < losses[0]
    for before, after in zip(weights, layer.dynamics.trainable_variables, strict=True):
        assert not np.array_equal(before, after)
    left, right = (m.predict(X, verbose=0) for m in (model, again))
    assert np.array_equal(left, right)
    assert len(again.trainable_variables) == len(model.trainable_variables)


@pytest.mark.parametrize(
    ("dynamics", "solution"),
    [
        (lambda t, h: t * h, X * np.exp(0.5)),
        (lambda h: -h, X / E),
        (lambda y, *, scale=2.0: scale * y, X * E**2),
        (lambda t, h=None: 2 * t * tf.ones_like(h), X + 1),
        (NoBuild(), X * np.exp(0.5)),
        (OfStateAlone(), X / E),
        (keras.layers.Activation("linear"), X * E),
        (TrainedOnly(), X / E),
        (tf.negative, X / E),
    ],
)
def test_dynamics_are_called_with_the_time_where_they_take_it(dynamics, solution):
    layer = ODELayer(dynamics)
    assert np.allclose(layer(X), solution, rtol=1e-4)
    assert layer.trainable_variables == []


def test_time_of_a_functional_model_is_given_to_each_example():
    for shape in ((None, 1), (None,), ()):
        t, h = keras.Input(batch_shape=shape), keras.Input((3,))
        time = keras.layers.Reshape((1,))(t) if shape == (None,) else t
        dh = keras.ops.multiply(time, h)
        layer = ODELayer(keras.Model([t, h], dh))
        assert np.allclose(layer(X), X * np.exp(0.5), rtol=1e-4)


@pytest.mark.parametrize(
    "make",
    [lambda: lambda t, h: t * h, NoBuild, lambda: functional((None, 1))],
    ids=["function", "layer", "functional model"],
)
def test_time_is_one_a_sample_where_each_has_steps_of_its_own(make):
    dynamics = make()
    options = {"per_sample": True}
    each = ODELayer(dynamics, options=options, rtol=1e-6, atol=1e-6)(X)
    whole = ODELayer(dynamics, rtol=1e-6, atol=1e-6)(X)
    assert np.allclose(each, whole, rtol=1e-4, atol=1e-5)


def test_state_without_any_axis_is_solved():
    assert float(ODELayer(lambda h: -h)(tf.constant(2.0))) == pytest.approx(
        2 / E, rel=1e-4
    )


def test_kernel_regulariser_of_the_dynamics_is_in_the_loss():
    regularised = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1))
    layer = ODELayer(regularised)
    model = model_of(layer)
    (loss,) = model.losses
    assert float(loss) == pytest.approx(0.1 * np.sum(regularised.kernel.numpy() ** 2))


def test_function_is_saved_by_the_name_that_it_is_registered_by():
    config = FunctionDynamics(decay).get_config()
    assert config["function"]["config"] == "tests>decay"
    assert FunctionDynamics.from_config(config).function is decay


def test_two_layers_share_their_dynamics_in_the_file_too(tmp_path):
    dynamics = DenseDynamics(4)
    inputs = keras.Input((3,))
    middle = ODELayer(dynamics)(inputs)
    model = keras.Model(inputs, ODELayer(dynamics, t0=1.0, t1=2.0)(middle))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    first, second = again.layers[1:]
    assert first.dynamics is second.dynamics
    assert len(again.trainable_variables) == 5
    left, right = (m.predict(X, verbose=0) for m in (model, again))
    assert np.array_equal(left, right)


def test_layer_within_a_layer_that_has_no_build_is_built_by_keras():
    class Outer(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.ode = ODELayer(Lazy())

        def call(self, h):
            return self.ode(h)

    inputs = keras.Input((3,))
    model = keras.Model(inputs, Outer()(inputs))
    assert len(model.trainable_variables) == 4
    model.compile("sgd", "mse")
    losses = model.fit(X, 2 * X, epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]


def test_function_is_told_whether_it_is_training():
    def rate(t, h, training=False):
        return h if training else -h

    layer = ODELayer(rate, rtol=1e-6, atol=1e-6)
    assert np.allclose(layer(X, training=True), X * np.e, rtol=1e-4)
    assert np.allclose(layer(X), X / np.e, rtol=1e-4)


def test_layer_that_joins_time_and_state_trains_with_steps_of_each_sample():
    @keras.saving.register_keras_serializable(package="kinds_of_dynamics")
    class Joined(keras.layers.Layer):
        def build(self, *shapes):
            self.dense = keras.layers.Dense(3)
            self.dense.build((None, 4))

        def call(self, t, h):
            return self.dense(keras.ops.concatenate([h, t], axis=-1))

    model = model_of(ODELayer(Joined(), options={"per_sample": True}))
    y = X.sum(1, keepdims=True)
    first, last = model.fit(X, y, epochs=2, verbose=0).history["loss"]
    assert last < first
