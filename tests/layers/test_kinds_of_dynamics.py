"""What can be dynamics trains, saves and loads; what cannot is refused before training."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer
from node_transfer.layers.function_dynamics import FunctionDynamics

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


@pytest.mark.parametrize("kind", KINDS)
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


def closed_over():
    dense = keras.layers.Dense(3)
    return lambda t, h: dense(h)


def with_built_layer():
    dense = keras.layers.Dense(3)
    dense.build((None, 3))
    return lambda t, h: dense(h)


class CountsInAVariable(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.calls = tf.Variable(0.0, trainable=False)

    def call(self, t, h):
        self.calls.assign_add(1.0)
        return h


class AddsLoss(keras.layers.Layer):
    def call(self, t, h):
        self.add_loss(tf.reduce_sum(h))
        return h


def regularised():
    dense = keras.layers.Dense(3, activity_regularizer="l2", name="noisy")
    return keras.Sequential([keras.layers.Dense(4), dense])


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: DenseDynamics, "pass a Keras layer, a model, or a function of .t, h."),
        (lambda: 3.0, "dynamics is 3.0: pass a Keras layer"),
        (lambda: lambda h, t: h, r"take \(h, t\): write call\(self, t, h\)"),
        (lambda: lambda t: t, r"take \(t\): write call\(self, t, h\)"),
        (lambda: lambda: 0.0, r"take \(\): write call\(self, t, h\)"),
        (lambda: lambda a, b, c, d: a, r"take \(a, b, c, d\): write"),
        (lambda: lambda t, h, z: h, "need a context: call the layer as layer.h, context"),
        (closed_over, "reads the weights .*kernel.*neither trained nor saved: write"),
        (with_built_layer, "reads the weights .*kernel.*neither trained nor saved"),
        (lambda: keras.layers.Dense(4), r"return shape \(None, 4\) for a state of shape"),
        (lambda: lambda h: [h, h], "return list: return one tensor"),
        (lambda: lambda h: None, "return NoneType: return one tensor"),
        (lambda: lambda h: h[:, 5], "cannot be called with .h., the state h of shape"),
        (lambda: lambda t, h: h if t > 0 else -h, "cannot be called with .t, h."),
        (lambda: keras.layers.Conv2D(3, 3), "Kernel shape must have the same length"),
        (AddsLoss, "'adds_loss.*' add a loss when they are called .*in adds_loss"),
        (regularised, "add a loss .*in noisy.*use ODELayer's kinetic_energy"),
        (CountsInAVariable, r"assign to a tf.Variable .*by add_weight"),
        (lambda: lambda h: tf.random.normal([3]) * h, "RandomStandardNormal.*SeedGen"),
        (lambda: lambda h: keras.random.normal([3]) * h, "a state that is not theirs"),
    ],
)
@pytest.mark.filterwarnings("ignore:A file of a model with")
def test_what_cannot_be_dynamics_is_refused_before_training(make, complaint):
    with pytest.raises(ValueError, match=complaint) as raised:
        model_of(ODELayer(make()))
    assert "\n" not in str(raised.value)


def test_kernel_regulariser_of_the_dynamics_is_in_the_loss():
    regularised = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1))
    layer = ODELayer(regularised)
    model = model_of(layer)
    (loss,) = model.losses
    assert float(loss) == pytest.approx(0.1 * np.sum(regularised.kernel.numpy() ** 2))


@pytest.mark.parametrize("function", [lambda h: -h, keras.ops.sin, tf.negative])
def test_function_without_a_registered_name_trains_and_is_not_saved(function, tmp_path):
    model = model_of(ODELayer(function))
    model.fit(X, X[:, :1], verbose=0)
    with pytest.raises(ValueError, match="cannot be saved: make it a named function"):
        model.save(tmp_path / "model.keras")


def test_function_is_saved_by_the_name_that_it_is_registered_by():
    config = FunctionDynamics(decay).get_config()
    assert config["function"]["config"] == "tests>decay"
    assert FunctionDynamics.from_config(config).function is decay


def test_class_that_is_not_registered_is_told_of_before_training():
    class Mine(keras.layers.Layer):
        def call(self, t, h):
            return -h

    with pytest.warns(UserWarning, match="with 'mine.*Mine. can be saved and not be lo"):
        model_of(ODELayer(Mine()))


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


def test_state_of_several_tensors_is_refused():
    with pytest.raises(ValueError, match="pass one tensor, the state"):
        ODELayer(DenseDynamics(3))([X, X])
