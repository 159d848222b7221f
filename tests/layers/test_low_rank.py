"""Layers whose dynamics are solved in the width of their hidden layer, and those not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, ODELayer, ODESolveError
from node_transfer.ode import low_rank


class Doubled(DenseDynamics):
    """What the class that it extends says of itself is not true of it."""

    def call(self, t, inputs):
        return 2.0 * super().call(t, inputs)


def layer_and_state(dynamics, **kwargs):
    layer = ODELayer(dynamics, dtype="float64", rtol=1e-10, atol=1e-10, **kwargs)
    h = tf.constant(np.random.default_rng(0).normal(size=[3, 128]))
    layer(h)
    for weight in layer.dynamics.weights:  # no bias is zero
        weight.assign_add(0.1 * tf.random.normal(weight.shape, dtype=tf.float64, seed=1))
    return layer, h


def counted(monkeypatch):
    """A list that grows with each solve in few dimensions."""
    calls, integrate = [], low_rank.integrate

    def noting(*args, **kwargs):
        calls.append(args)
        return integrate(*args, **kwargs)

    monkeypatch.setattr(low_rank, "integrate", noting)
    return calls


@pytest.mark.parametrize(("kind", "used"), [(DenseDynamics, True), (Doubled, False)])
def test_layer_has_the_solution_of_its_dynamics(monkeypatch, kind, used):
    from scipy.integrate import solve_ivp

    layer, h = layer_and_state(kind(4))
    calls = counted(monkeypatch)
    states = layer(h).numpy()
    assert bool(calls) == used

    def f(t, y):
        return np.ravel(layer.dynamics(tf.constant(t), tf.reshape(y, h.shape)))

    exact = solve_ivp(f, (0, 1), np.ravel(h), method="DOP853", rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(np.ravel(states), exact.y[:, -1], rtol=1e-8, atol=1e-9)


class InTraining(keras.layers.Layer):
    def call(self, z, training=False):
        return tf.tanh(z) * (2.0 if training else 1.0)


def test_an_activation_that_is_a_layer_is_the_same_in_the_gradient(monkeypatch):
    """`training` holds in each evaluation, one mask for a solve and its gradient."""
    for activation in (InTraining(), keras.layers.Dropout(0.5, seed=0)):
        calls, results = counted(monkeypatch), []
        for in_few in (True, False):
            keras.utils.set_random_seed(0)
            monkeypatch.setattr(low_rank, "is_worthwhile", lambda *_, few=in_few: few)
            dynamics = DenseDynamics(4, activation=activation)
            layer = ODELayer(
                dynamics, method="rk4", options={"num_steps": 2}, dtype="float64"
            )
            h = tf.ones([3, 128], tf.float64)
            layer.build(h.shape)
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(h, training=True) ** 2)
            bars = tape.gradient(loss, layer.trainable_variables)
            results.append([loss, layer.nfe.forward, *bars])
            if isinstance(activation, keras.layers.Dropout):
                activation.seed_generator.state.assign([0, 0])
        assert len(calls) == 1
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_state_that_is_not_finite_is_told_on_a_fixed_grid():
    layer = ODELayer(DenseDynamics(4), method="rk4", options={"num_steps": 2})
    with pytest.raises(ODESolveError, match="non-finite"):
        layer(np.full([1, 128], np.inf, "float32"))


@pytest.mark.parametrize(
    ("dynamics", "dtype"), [("float64", "float32"), (None, "mixed_float16")]
)
def test_dynamics_of_another_dtype_are_solved_as_they_come(dynamics, dtype):
    layer = ODELayer(DenseDynamics(4, dtype=dynamics), dtype=dtype)
    h = tf.random.normal([3, 128], seed=0)
    exact = ODELayer(layer.dynamics, dtype="float64") if dynamics else layer
    np.testing.assert_allclose(layer(h), exact(h), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("where", ["layer", "class"])
@pytest.mark.parametrize("name", ["call", "through_hidden"])
def test_a_method_that_was_replaced_is_what_is_solved(name, where, monkeypatch):
    layer, h = layer_and_state(DenseDynamics(4))
    calls, dynamics = counted(monkeypatch), layer.dynamics
    dynamics.output_bias.assign(tf.zeros_like(dynamics.output_bias))
    method = getattr(DenseDynamics, name)
    owner = dynamics if where == "layer" else DenseDynamics
    to = method.__get__(dynamics) if where == "layer" else method
    monkeypatch.setattr(owner, name, lambda *args: 0.0 * to(*args))
    np.testing.assert_array_equal(layer(h), h)
    assert not calls


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_layers_gradient_agrees_with_finite_differences(monkeypatch, gradient):
    layer, h = layer_and_state(DenseDynamics(4), gradient=gradient)
    calls = counted(monkeypatch)
    weights = layer.trainable_variables
    rng = np.random.default_rng(1)
    ways = [tf.constant(rng.normal(size=x.shape)) for x in (h, *weights)]

    def loss(size):
        for weight, way in zip(weights, ways[1:], strict=True):
            weight.assign_add(size * way)
        value = tf.reduce_sum(tf.sin(layer(h + size * ways[0], training=True)))
        for weight, way in zip(weights, ways[1:], strict=True):
            weight.assign_sub(size * way)
        return value

    with tf.GradientTape() as tape:
        tape.watch(h)
        value = tf.reduce_sum(tf.sin(layer(h, training=True)))
    bars = tape.gradient(value, [h, *weights])
    along = sum(tf.reduce_sum(a * b) for a, b in zip(bars, ways, strict=True))
    assert calls
    layer.remember_step = False
    difference = (loss(1e-5) - loss(-1e-5)) / 2e-5
    np.testing.assert_allclose(along, difference, rtol=1e-6)


def test_frozen_dynamics_pass_the_gradient_on_and_have_none():
    layer, h = layer_and_state(DenseDynamics(4))
    layer.dynamics.trainable = False
    weights = [w.value for w in layer.dynamics.weights]
    with tf.GradientTape() as tape:
        tape.watch([h, *weights])
        loss = tf.reduce_sum(layer(h, training=True) ** 2)
    h_bar, *bars = tape.gradient(loss, [h, *layer.dynamics.weights])
    assert np.abs(h_bar).max() > 0
    assert bars == [None] * len(bars)


@pytest.mark.slow
def test_two_replicas_train_to_the_weights_of_one():
    def trained(strategy):
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = keras.Sequential(
                [keras.Input([128]), ODELayer(DenseDynamics(4)), keras.layers.Dense(2)]
            )
            model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=[16, 128]), rng.normal(size=[16, 2])
        model.fit(x.astype("float32"), y, batch_size=8, verbose=0, shuffle=False)
        return [w.numpy() for w in model.trainable_weights]

    devices = ["CPU:0", "CPU:1"]
    many = trained(tf.distribute.MirroredStrategy(devices))
    for a, b in zip(many, trained(tf.distribute.get_strategy()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
