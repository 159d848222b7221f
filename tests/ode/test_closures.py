"""Tensors that func closes over: their gradient is there, or refused, never lost."""

import keras
import pytest
import tensorflow as tf

from node_transfer import odeint

ENCODING = tf.constant([2.0], tf.float64)
Y0 = tf.ones([1], tf.float64)


def gradient_of(compute, graph):
    def bar():
        with tf.GradientTape() as tape:
            tape.watch(ENCODING)
            loss = tf.reduce_sum(compute(ENCODING * 1.0))
        return tape.gradient(loss, ENCODING)

    return (tf.function(bar) if graph else bar)()


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_watched_tensor_is_refused_and_says_what_to_do(gradient, graph):
    def closed_over(c):
        return odeint(lambda t, y: -c * y, Y0, [0.0, 1.0], gradient=gradient)[-1]

    def passed(c):
        return odeint(lambda t, y, c: -c * y, Y0, [0.0, 1.0], gradient=gradient,
                      constants={"c": c})[-1]  # fmt: skip

    with pytest.raises(ValueError, match=r"shape \(1,\), whose gradient would be lost"):
        gradient_of(closed_over, graph)
    assert float(gradient_of(passed, graph)[0]) == pytest.approx(-0.1353, rel=1e-3)


@pytest.mark.parametrize("graph", [False, True])
def test_autodiff_has_the_gradient_of_what_func_closes_over(graph):
    def closed_over(c):
        return odeint(lambda t, y: -c * y, Y0, [0.0, 1.0], gradient="autodiff")[-1]

    assert float(gradient_of(closed_over, graph)[0]) == pytest.approx(-0.1353, rel=1e-3)


def test_tensors_that_nothing_watches_and_variables_are_welcome():
    still, rate = tf.constant([0.5], tf.float64), tf.Variable([2.0], dtype=tf.float64)
    dense = keras.layers.Dense(1, dtype="float64")  # built by its first call
    with tf.GradientTape() as tape:
        y = odeint(lambda t, y: -rate * y + still + 0 * dense(y[None])[0], Y0, [0.0, 1.0])
        loss = tf.reduce_sum(y[-1])
    assert tape.gradient(loss, rate) is not None
    with tf.GradientTape() as tape:
        tape.watch(ENCODING)
        c = tf.stop_gradient(ENCODING * 1.0)
        y = odeint(lambda t, y: -c * y, Y0, [0.0, 1.0])
    assert float(y[-1, 0]) == pytest.approx(0.1353, rel=1e-3)
