"""Constants of every kind, and what is asked of func and its arguments."""

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import odeint
from tests.slowly import slow_after

Y0 = tf.constant([1.0, 2.0], tf.float64)
GRADIENTS = slow_after(2, ["backprop", "adjoint", "autodiff"])


def loss_and_gradient(f, wanted, **kwargs):
    with tf.GradientTape() as tape:
        tape.watch(wanted)
        loss = tf.reduce_sum(odeint(f, Y0, [0.0, 1.0], **kwargs)[-1])
    return float(loss), tape.gradient(loss, wanted)


@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize(
    "kind", slow_after(1, [tf.constant([True, False]), tf.constant(["1", "0"])])
)
def test_a_constant_may_be_no_number(kind, gradient):
    def f(t, y, mask, rate):
        numbers = tf.strings.to_number if mask.dtype == tf.string else tf.cast
        return -rate * y * numbers(mask, y.dtype)

    rate = tf.constant(0.5, tf.float64)
    constants = {"mask": kind, "rate": rate}
    loss, (y_bar, rate_bar) = loss_and_gradient(
        f, [Y0, rate], constants=constants, gradient=gradient
    )
    decay = np.exp(-0.5)
    assert loss == pytest.approx(decay + 2, rel=1e-4)
    assert np.allclose(y_bar, [decay, 1.0], rtol=1e-4)
    assert float(rate_bar) == pytest.approx(-decay, rel=1e-4)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_gradient_reaches_a_complex_constant(gradient):
    c = tf.constant(0.3 + 0.4j, tf.complex64)

    def f(t, y, c):
        return -y * tf.cast(tf.math.real(c * c), y.dtype)

    loss, bar = loss_and_gradient(f, c, constants={"c": c}, gradient=gradient)
    assert loss == pytest.approx(3 * np.exp(0.07), rel=1e-4)
    # TensorFlow's gradient by a complex number is the conjugate of the slope.
    expected = -loss * np.conj(2 * (0.3 + 0.4j))
    assert complex(bar) == pytest.approx(expected, rel=1e-3)


def test_a_complex_constants_gradient_may_choose_the_steps():
    c = tf.constant(0.3 + 0.4j, tf.complex128)
    bars = []
    for controls in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(c)
            y = odeint(
                lambda t, y, c: -y * tf.math.real(c * c), tf.ones([2], tf.float64),
                [0.0, 1.0], constants={"c": c}, gradient="adjoint",
                options={"adjoint_control_parameters": controls},
            )  # fmt: skip
            loss = tf.reduce_sum(y[-1])
        bars.append(complex(tape.gradient(loss, c)))
    assert bars[0] == pytest.approx(bars[1], rel=1e-4)


def test_a_complex_tensor_that_func_closes_over_is_refused_as_a_real_one():
    c = tf.constant(0.3 + 0.4j, tf.complex64)
    with tf.GradientTape() as tape:
        tape.watch(c)
        square = c * c
        with pytest.raises(ValueError, match="closes over a tensor of shape"):
            odeint(lambda t, y: -y * tf.cast(tf.math.real(square), y.dtype), Y0, [0, 1.0])


@pytest.mark.parametrize("constants", [[Y0], Y0])
def test_constants_have_names(constants):
    with pytest.raises(ValueError, match="constants is .*: pass a dictionary"):
        odeint(lambda t, y, c: -c * y, Y0, [0.0, 1.0], constants=constants)


def test_func_that_returns_nothing_is_told():
    with pytest.raises(ValueError, match="func returned None: have it return the"):
        odeint(lambda t, y: None, Y0, [0.0, 1.0])


def test_a_state_of_no_known_rank_is_told():
    @tf.function(input_signature=[tf.TensorSpec(None, tf.float64)])
    def solve(y0):
        return odeint(lambda t, y: -y, y0, [0.0, 0.5, 1.0])

    with pytest.raises(ValueError, match="unknown rank: give it its shape"):
        solve(Y0)


def test_one_time_of_a_number_not_known_beforehand_is_told():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float64)])
    def solve(t):
        return odeint(lambda t, y: -y, Y0, t)

    assert np.allclose(solve(tf.constant([0.0, 1.0], tf.float64))[1], np.exp(-1) * Y0)
    with pytest.raises(tf.errors.InvalidArgumentError, match="pass two or more times"):
        solve(tf.constant([0.0], tf.float64))
