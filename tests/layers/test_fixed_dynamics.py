"""Within a solve and its gradient the dynamics are one function, whatever they keep."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from node_transfer import ODELayer
from tests.slowly import slow_after

RNG = np.random.default_rng(1)
X = RNG.normal(size=(6, 5))
WEIGHT = RNG.normal(size=(6, 5))
RK4 = {"method": "rk4", "options": {"num_steps": 3}}
EXACT = {"gradient": "adjoint", "rtol": 1e-10, "atol": 1e-10}

pytestmark = pytest.mark.filterwarnings("ignore:The dynamics .* have a state")


def network(*inner):
    return keras.Sequential(
        [keras.layers.Dense(4, "tanh"), *inner, keras.layers.Dense(5, "tanh")]
    )


DYNAMICS = {
    "BatchNormalization": lambda: network(keras.layers.BatchNormalization()),
    "GroupNormalization": lambda: network(keras.layers.GroupNormalization(2)),
    "Dropout": lambda: network(keras.layers.Dropout(0.5, seed=3)),
    "SpectralNormalization": lambda: network(
        keras.layers.SpectralNormalization(keras.layers.Dense(4), power_iterations=2)
    ),
}


def built(kind, **kwargs):
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(0)
    layer = ODELayer(DYNAMICS[kind](), **kwargs)
    layer.build(X.shape)
    if kind == "BatchNormalization":  # as after some training
        norm = layer.dynamics.layers[1]
        norm.moving_mean.assign([0.3, -0.2, 0.1, 0.5])
        norm.moving_variance.assign([0.5, 1.5, 2.0, 0.7])
    return layer


def unrolled(f, h, steps):
    """Runge-Kutta's method from 0 to 1, in a loop that TensorFlow differentiates."""
    dt = 1 / steps
    for _ in range(steps):
        k1 = f(h)
        k2 = f(h + dt / 2 * k1)
        k3 = f(h + dt / 2 * k2)
        k4 = f(h + dt * k3)
        h = h + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return h


def by_hand(kind, layer, training, values):
    """The dynamics as a function of h, with the weights' values given as tensors."""
    parts = layer.dynamics.layers
    first, inner, last = parts[0], parts[1], parts[-1]
    variables = layer.dynamics.trainable_variables
    value = {id(v): x for v, x in zip(variables, values, strict=True)}

    def dense(part, h):
        return h @ value[id(part.kernel)] + value[id(part.bias)]

    def normalised(h):
        if kind == "BatchNormalization":
            mean, variance = inner.moving_mean.numpy(), inner.moving_variance.numpy()
            if training:
                mean, variance = tf.nn.moments(h, axes=[0])
            h = (h - mean) / tf.sqrt(variance + inner.epsilon)
            return h * value[id(inner.gamma)] + value[id(inner.beta)]
        if kind == "GroupNormalization":
            groups = tf.reshape(h, [6, 2, 2])
            mean, variance = tf.nn.moments(groups, axes=[2], keepdims=True)
            h = tf.reshape((groups - mean) / tf.sqrt(variance + inner.epsilon), [6, 4])
            return h * value[id(inner.gamma)] + value[id(inner.beta)]
        if kind == "Dropout":
            return h * mask if training else h
        kernel, u = value[id(inner.layer.kernel)], inner.vector_u.numpy()
        if training:
            kernel = kernel / spectral_norm(kernel, u)
        return h @ kernel + value[id(inner.layer.bias)]

    if kind == "Dropout":
        with keras.StatelessScope():  # the mask of the seed as it is
            mask = inner(tf.ones([6, 4], tf.float64), training=True)
    return lambda h: tf.tanh(dense(last, normalised(tf.tanh(dense(first, h)))))


def spectral_norm(kernel, u):
    """Miyato et al. (2018), arXiv:1802.05957, algorithm 1, two power iterations."""
    w = kernel.numpy()
    for _ in range(2):
        v = u @ w.T
        v /= np.linalg.norm(v)
        u = v @ w
        u /= np.linalg.norm(u)
    return tf.reduce_sum((v @ kernel) * u)


def expected(kind, layer, training, steps):
    """Solution and gradients, for the state and the weights, of the unrolled loop."""
    h0 = tf.constant(X)
    values = [tf.constant(v.numpy()) for v in layer.dynamics.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([h0, *values])
        h1 = unrolled(by_hand(kind, layer, training, values), h0, steps)
        loss = tf.reduce_sum(WEIGHT * h1)
    return h1, tape.gradient(loss, [h0, *values])


def computed(layer, training):
    h0 = tf.constant(X)
    variables = [v.value for v in layer.dynamics.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(h0)
        h1 = layer(h0, training=training)
        loss = tf.reduce_sum(WEIGHT * h1)
    return h1, tape.gradient(loss, [h0, *variables])


@pytest.mark.parametrize("training", slow_after(1, [True, False]))
@pytest.mark.parametrize("graph", slow_after(1, [True, False]), ids=["graph", "eager"])
@pytest.mark.parametrize("kind", DYNAMICS)
def test_gradient_is_that_of_an_unrolled_loop(kind, graph, training):
    layer = built(kind, **RK4)
    h1, gradients = expected(kind, layer, training, steps=3)
    function = tf.function(computed) if graph else computed
    ours, our_gradients = function(layer, training)
    assert np.allclose(ours, h1, rtol=1e-12, atol=1e-13)
    for left, right in zip(our_gradients, gradients, strict=True):
        assert np.linalg.norm(right) > 1e-9
        assert np.allclose(left, right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", slow_after(1, DYNAMICS))
def test_gradient_of_tensorflow_itself_is_that_of_an_unrolled_loop(kind):
    layer = built(kind, gradient="autodiff", **RK4)
    h1, gradients = expected(kind, layer, True, steps=3)
    ours, our_gradients = tf.function(computed)(layer, True)
    assert np.allclose(ours, h1, rtol=1e-12, atol=1e-13)
    for left, right in zip(our_gradients, gradients, strict=True):
        assert np.allclose(left, right, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", slow_after(1, DYNAMICS))
def test_gradient_of_the_adjoint_is_that_of_an_unrolled_loop(kind):
    layer = built(kind, **EXACT)
    h1, gradients = expected(kind, layer, True, steps=60)
    ours, our_gradients = tf.function(computed)(layer, True)
    assert np.allclose(ours, h1, rtol=1e-6, atol=1e-8)
    for left, right in zip(our_gradients, gradients, strict=True):
        assert np.allclose(left, right, rtol=1e-5, atol=1e-7)
