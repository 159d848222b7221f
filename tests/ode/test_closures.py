"""Tensors that func closes over: their gradient is there, or refused, never lost."""

import warnings

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


TOLD = ["computed", "of_variable"]
NOT_TOLD = ["stopped", "counted", "constant", "of_frozen"]


@pytest.mark.parametrize(
    ("name", "traced_before"),
    [("computed", False), *[(name, True) for name in TOLD + NOT_TOLD]],
)
def test_gradient_that_is_lost_from_outside_is_told(name, traced_before):
    rate = tf.Variable([2.0], dtype=tf.float64)
    frozen = tf.Variable([2.0], dtype=tf.float64, trainable=False)

    @tf.function
    def solved(c, n):
        closed = {
            "computed": lambda: 2 * c,
            "of_variable": lambda: 2 * rate,
            "stopped": lambda: 2 * tf.stop_gradient(c),
            "counted": lambda: tf.cast(n, c.dtype),
            "constant": lambda: 2 * tf.ones([1], c.dtype),
            "of_frozen": lambda: 2 * frozen,
        }[name]()
        return odeint(lambda t, y: -closed * y * rate, Y0, [0.0, 1.0], method="euler",
                      options={"num_steps": 1})[-1]  # fmt: skip

    inputs = ENCODING, tf.constant(1)
    if traced_before:
        solved(*inputs)
    with warnings.catch_warnings(record=True) as told, tf.GradientTape() as tape:
        warnings.simplefilter("always")
        loss = solved(*inputs)
        assert tape.gradient(loss, rate) is not None
    told = [str(one.message) for one in told if "closes over" in str(one.message)]
    assert bool(told) == (name in TOLD)
    if told:
        assert "shape (1,)" in told[0]
        assert "constants={'name': tensor}" in told[0]
