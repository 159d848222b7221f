"""Times, batches and limits at their edges: a right answer, or an error that says why."""

import numpy as np
import pytest
import scipy.integrate
import tensorflow as tf

from benchmarks.block import make_block, relative_error, truth
from node_transfer import ODESolveError, odeint
from node_transfer.ode import failure
from tests.slowly import slow_after


def decay(t, y):
    return -y


def one(t, y):
    return tf.ones_like(y)


@pytest.mark.parametrize("start", [1e6, 1e7])
def test_clock_and_state_move_together_where_time_has_few_digits(start):
    y = odeint(one, tf.zeros([1]), [start, start + 1], method="rk4",
               options={"num_steps": 1})  # fmt: skip
    assert float(y[-1, 0]) == 1
    y = odeint(one, tf.zeros([1]), [start, start + 8], rtol=1e-3, atol=1e-3)
    assert float(y[-1, 0]) == pytest.approx(8, rel=1e-6)


@pytest.mark.parametrize("graph", [False, True])
def test_steps_that_do_not_move_the_clock_are_an_error(graph):
    def call():
        return odeint(one, tf.zeros([1]), [1e7, 1e7 + 1], method="rk4",
                      options={"num_steps": 100})  # fmt: skip

    with pytest.raises((ODESolveError, tf.errors.InvalidArgumentError), match="underfl"):
        (tf.function(call) if graph else call)()


def test_automatic_first_step_moves_the_clock():
    def late(t, y):  # a probe sees no more of it than that it is very steep
        return tf.where(t > 1e4, 1e30, 1e-3) * tf.ones_like(y)

    with pytest.raises(ODESolveError) as raised:
        odeint(late, tf.zeros([1]), [1e4, 1e4 + 1])
    assert "after 2 evaluations" not in str(raised.value)  # a step was tried


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_gradient_of_an_empty_batch_is_zero(gradient):
    rate, y0 = tf.Variable([1.0, 2.0, 3.0]), tf.zeros([0, 3])
    with tf.GradientTape() as tape:
        tape.watch(y0)
        y = odeint(lambda t, y: rate * y, y0, [0.0, 1.0], gradient=gradient)
        loss = tf.reduce_sum(y)
    y_bar, rate_bar = tape.gradient(loss, [y0, rate])
    assert y_bar.shape == (0, 3)
    assert np.array_equal(rate_bar, np.zeros(3))


def test_limit_of_steps_is_from_one_output_time_to_the_next():
    times = np.linspace(0, 3, 60)
    options = {"max_num_steps": 5}
    y = odeint(decay, tf.ones([1]), times, options=options)
    assert np.allclose(y[:, 0], np.exp(-times), atol=1e-5)

    def late(t, y):  # easy up to 1, then too hard for five steps
        return tf.where(t > 1.0, tf.sin(400 * t), 0.0) * y

    with pytest.raises(ODESolveError, match="maximum number of steps"):
        odeint(late, tf.ones([1]), [0.0, 1.0, 2.0], options=options)


@pytest.mark.parametrize("graph", slow_after(1, [True, False]))
def test_what_a_failed_solve_reached_is_kept(graph):
    def call():
        return odeint(
            lambda t, y: y**2, tf.ones([2], tf.float64), [0.0, 0.25, 0.5, 2.0, 3.0],
            rtol=1e-8, atol=1e-8, options={"on_failure": "nan"}, full_output=True,
        )  # fmt: skip

    y, info = (tf.function(call) if graph else call)()
    assert np.allclose(y[:3, 0], [1, 1 / 0.75, 2], rtol=1e-6)
    assert np.all(np.isnan(y[3:]))
    assert failure.REASONS[int(info.status)] != failure.REASONS[failure.RUNNING]


def test_one_time_gives_the_initial_state():
    y0 = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(y0)
        states, info = odeint(decay, y0, [0.5], full_output=True)
        loss = tf.reduce_sum(states)
    assert np.array_equal(states, y0[None])
    assert int(info.nfe) == 0
    assert np.array_equal(tape.gradient(loss, y0), np.ones(2))


def test_times_that_repeat_give_a_state_each():
    times = [0.0, 0.0, 0.5, 0.5, 1.0]
    y0 = tf.constant([1.0], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(y0)
        y, info = odeint(decay, y0, times, rtol=1e-9, atol=1e-9, full_output=True)
        loss = tf.reduce_sum(y)
    assert np.allclose(y[:, 0], np.exp(-np.array(times)), atol=1e-8)
    expected = np.exp(-np.array(times)).sum()
    assert float(tape.gradient(loss, y0)[0]) == pytest.approx(expected, rel=1e-7)
    _, once = odeint(decay, y0, [0.0, 0.5, 1.0], rtol=1e-9, atol=1e-9, full_output=True)
    assert int(info.nfe) == int(once.nfe)
    still = odeint(decay, y0, [1.0, 1.0])
    assert np.array_equal(still, [[1.0], [1.0]])


@pytest.mark.parametrize("times", [[0.0, np.inf], [0.0, np.nan], [-np.inf, 0.0]])
def test_times_that_are_not_finite_are_refused_at_once(times):
    with pytest.raises(ValueError, match="pass finite times"):
        odeint(decay, tf.ones([1]), times)


def test_tolerance_of_each_component_is_refused_in_one_sentence():
    with pytest.raises(ValueError, match=r"atol has shape \(2,\): pass one number"):
        odeint(decay, tf.ones([2]), [0.0, 1.0], atol=np.array([1e-3, 1e-6]))


def test_cold_start_of_a_block_takes_fewer_evaluations_than_scipy():
    block = make_block(hidden=16, batch=8, units=64)
    w1, wt, b1, w2, b2 = (p.astype("float64") for p in block.parameters)
    h0 = block.h0.astype("float64")

    def f(t, h):
        return tf.tanh(h @ w1 + t * wt + b1) @ w2 + b2

    states, info = odeint(f, tf.constant(h0), [0.0, 1.0], full_output=True)
    scipys = scipy.integrate.solve_ivp(
        lambda t, h: f(t, h.reshape(h0.shape)).numpy().ravel(),
        (0, 1), h0.ravel(), rtol=1e-5, atol=1e-5,
    )  # fmt: skip
    assert int(info.nfe) < 0.8 * scipys.nfev
    assert relative_error(states[-1].numpy(), truth(block).h1) < 1e-5


@pytest.mark.parametrize("gradient", ["backprop", "adjoint", "autodiff"])
def test_component_that_stays_zero_has_no_error_without_an_absolute_tolerance(gradient):
    y0 = tf.constant([[1.0, 0.0]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(y0)
        y = odeint(decay, y0, [0.0, 1.0], rtol=1e-6, atol=0.0, gradient=gradient)[-1]
        loss = y[0, 0]  # of which one component's cotangent stays 0, too
    assert np.allclose(y, [[np.exp(-1), 0]], rtol=1e-5)
    assert np.allclose(tape.gradient(loss, y0), [[np.exp(-1), 0]], rtol=1e-5)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_sources_need_not_have_the_dtype_of_the_solve(gradient):
    """A whole number, weights that are wider, and narrower ones."""
    wide = tf.Variable(2.0, dtype=tf.float64)
    narrow = tf.Variable(0.5, dtype=tf.float16)
    y0 = tf.ones([2])

    def rhs(t, y, power):
        rate = tf.cast(wide, tf.float32) * tf.cast(narrow, tf.float32)
        return -rate * y ** tf.cast(power, tf.float32)

    with tf.GradientTape() as tape:
        y = odeint(
            rhs, y0, [0.0, 1.0], constants={"power": tf.constant(1)}, gradient=gradient
        )[-1]
        loss = tf.reduce_sum(y)
    bars = tape.gradient(loss, [wide, narrow])
    assert [bar.dtype for bar in bars] == [tf.float64, tf.float16]
    expected = -2 * np.exp(-1)
    assert np.allclose(bars, [0.5 * expected, 2 * expected], rtol=1e-3)
