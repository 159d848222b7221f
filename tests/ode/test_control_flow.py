"""Solves inside of TensorFlow's loops and branches, and their gradients."""

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import odeint
from tests.slowly import slow_unless

RATE = tf.Variable([0.5, 2.0], dtype=tf.float64)
SMALL = tf.constant([1.0, 0.5], tf.float64)  # which a graph copies
LARGE = tf.ones([200], tf.float64)  # which it takes from outside


def solved(y, gradient, c):
    def f(t, y, c):
        return -RATE * SMALL * y * tf.reduce_mean(LARGE) + 0.1 * c * tf.sin(y)

    return odeint(f, y, [0.0, 0.5], gradient=gradient, constants={"c": c})[-1]


def by_loop(y, c, gradient, times):
    return tf.while_loop(
        lambda i, y: i < times, lambda i, y: (i + 1, solved(y, gradient, c)), (0, y)
    )[1]


def by_branch(y, c, gradient, times):
    def both():
        return solved(solved(y, gradient, c), gradient, c)

    return tf.cond(times > 1, both, lambda: y)


def by_loop_in_branch(y, c, gradient, times):
    return tf.cond(times > 1, lambda: by_loop(y, c, gradient, times), lambda: y)


def by_branch_in_loop(y, c, gradient, times):
    def once(y):
        return tf.cond(times > 1, lambda: solved(y, gradient, c), lambda: y)

    return tf.while_loop(lambda i, y: i < times, lambda i, y: (i + 1, once(y)), (0, y))[1]


def by_function_in_loop(y, c, gradient, times):
    once = tf.function(lambda y, c: solved(y, gradient, c))
    return tf.while_loop(
        lambda i, y: i < times, lambda i, y: (i + 1, once(y, c)), (0, y)
    )[1]


def gradients(compute, gradient, tape_in_function):
    y, c, times = tf.ones([2], tf.float64), tf.ones([2], tf.float64), tf.constant(2)

    def value(y, c, times):
        return tf.reduce_sum(compute(y, c * 1.0, gradient, times))

    def differentiated(value):
        def bars(y, c, times):
            with tf.GradientTape() as tape:
                tape.watch([y, c])
                loss = value(y, c, times)
            return tape.gradient(loss, [y, c, RATE])

        return bars

    if tape_in_function:
        return tf.function(differentiated(value))(y, c, times)
    return differentiated(tf.function(value))(y, c, times)


def by_python(y, c, gradient, times):
    for _ in range(int(times)):
        y = solved(y, gradient, c)
    return y


@pytest.fixture(scope="module")
def expected():
    y, c, times = tf.ones([2], tf.float64), tf.ones([2], tf.float64), 2
    with tf.GradientTape() as tape:
        tape.watch([y, c])
        loss = tf.reduce_sum(by_python(y, c, "backprop", times))
    return tape.gradient(loss, [y, c, RATE])


EVERY = [
    (compute, gradient, inside)
    for compute in (
        by_loop,
        by_branch,
        by_loop_in_branch,
        by_branch_in_loop,
        by_function_in_loop,
    )
    for gradient in ("backprop", "adjoint")
    for inside in (True, False)
]
QUICK = [
    (by_loop, "backprop", False),
    (by_branch, "adjoint", False),
    (by_function_in_loop, "backprop", True),
]


@pytest.mark.parametrize(
    ("compute", "gradient", "tape_in_function"),
    slow_unless(lambda *case: case in QUICK, EVERY),
)
def test_gradient_is_that_of_the_same_in_python(
    compute, gradient, tape_in_function, expected
):
    bars = gradients(compute, gradient, tape_in_function)
    tolerance = 1e-12 if gradient == "backprop" else 1e-3
    for bar, wanted in zip(bars, expected, strict=True):
        np.testing.assert_allclose(bar, wanted, rtol=tolerance)


def test_a_solve_within_f_is_differentiated_in_a_loop():
    kwargs = {"method": "midpoint", "options": {"num_steps": 1}}

    def inner(t, y):
        return odeint(lambda t, z: -RATE * z, y, [0.0, 0.5], **kwargs)[-1]

    def outer(y):
        return odeint(inner, y, [0.0, 0.5], **kwargs)[-1]

    def bars(value):
        y = tf.ones([2], tf.float64)
        with tf.GradientTape() as tape:
            tape.watch(y)
            loss = tf.reduce_sum(value(y))
        return tape.gradient(loss, [y, RATE])

    def looped(y):
        return tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, outer(y)), (0, y))[
            1
        ]

    expected = bars(lambda y: outer(outer(y)))
    for bar, wanted in zip(tf.function(bars)(looped), expected, strict=True):
        np.testing.assert_allclose(bar, wanted, rtol=1e-12)
