"""States between the steps: their cost, their order, and their gradients."""

import dataclasses

import numpy as np
import pytest
import scipy.integrate
import tensorflow as tf

from node_transfer import odeint
from node_transfer.ode.tableaus import TABLEAUS
from tests.ode.test_gradients import Inputs, directional_difference, gradients
from tests.slowly import slow_after

WITH_INTERPOLANT = [name for name, tableau in TABLEAUS.items() if tableau.interpolant]
TURNING = np.array([[-0.1, 2.0], [-2.0, -0.1]])


def spiral(t, y):
    return tf.matmul(y**3, tf.constant(TURNING, y.dtype))


def test_methods_with_an_interpolant():
    assert WITH_INTERPOLANT == ["dopri5", "tsit5", "bosh3"]


@pytest.mark.parametrize("method", slow_after(1, WITH_INTERPOLANT))
def test_a_thousand_times_cost_what_the_last_one_costs(method):
    y0 = tf.constant([[2.0, 0.0]], tf.float64)
    times = np.linspace(0, 25, 1000)

    def solve(t, **options):
        kwargs = {"rtol": 1e-6, "atol": 1e-6, "method": method, "options": options}
        return tf.function(lambda: odeint(spiral, y0, t, full_output=True, **kwargs))()

    states, info = solve(times)
    last, last_info = solve([0.0, 25.0])
    assert int(info.nfe) <= 1.03 * int(last_info.nfe)
    assert np.abs(states[-1] - last[-1]).max() < 1e-4
    exact = scipy.integrate.solve_ivp(
        lambda t, y: np.ravel(np.reshape(y, [1, 2]) ** 3 @ TURNING), (0, 25), [2.0, 0.0],
        method="DOP853", rtol=1e-12, atol=1e-12, t_eval=times,
    ).y.T[:, None]  # fmt: skip
    assert np.abs(states - exact).max() < (5e-3 if method == "bosh3" else 2e-4)


@pytest.mark.parametrize("method", WITH_INTERPOLANT)
def test_error_within_a_step_falls_with_the_order_of_the_interpolant(method):
    theta = np.array([0, 0.2, 0.4, 0.6, 0.8, 1])

    def error(h):  # of one step, between its ends
        t = 0.3 + h * theta
        y = odeint(lambda t, y: y * tf.cos(t), tf.ones([1], tf.float64), t, rtol=1e9,
                   atol=1e9, method=method, options={"first_step": h})  # fmt: skip
        return np.abs(y[:, 0] - np.exp(np.sin(t) - np.sin(t[0]))).max()

    # An interpolant of order p is wrong by h^(p+1) within a step.
    order = {"dopri5": 4, "tsit5": 4, "bosh3": 3}[method]
    assert np.log2(error(0.1) / error(0.05)) == pytest.approx(order + 1, abs=0.35)


def test_times_far_apart_are_stepped_onto_and_near_ones_are_not():
    t = [0.0, 10.0, 10.001, 10.002, 20.0]
    y0 = tf.ones([1], tf.float64)

    def nfe(**options):
        options |= {"max_step": 1.0}
        _, info = odeint(lambda t, y: -y, y0, t, options=options, full_output=True)
        return int(info.nfe)

    assert nfe() < nfe(interpolate=False)
    exactly = odeint(lambda t, y: -y, y0, t, options={"max_step": 1.0})
    alone = odeint(lambda t, y: -y, y0, t[:2], options={"max_step": 1.0})
    assert np.array_equal(exactly[1], alone[1])


@pytest.mark.parametrize("method", slow_after(1, WITH_INTERPOLANT))
def test_backprop_is_the_gradient_of_the_states_as_they_were_interpolated(method):
    inputs = Inputs((0.0, 0.1, 0.35, 0.6, 0.9, 1.0))
    options = {"first_step": 0.5, "max_step": 0.5, "interpolate": True}
    kwargs = {"method": method, "options": options, "rtol": 1e3, "atol": 1e3}
    loss = tf.function(lambda y0, t, c: inputs.loss(y0, t, c, **kwargs))
    compute = tf.function(lambda: gradients(inputs, **kwargs))
    rng = np.random.default_rng(2)
    for index, bar in enumerate(compute()):
        direction = rng.normal(size=bar.shape)
        if index == 1:  # the times of the steps' ends move as fractions of the way
            direction[[0, -1]] = 0
        near, far = (
            directional_difference(loss, inputs, index, direction, step)
            for step in (1e-3, 2e-3)
        )
        expected = (4 * near - far) / 3
        assert np.sum(bar * direction) == pytest.approx(expected, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
@pytest.mark.parametrize(
    "times", slow_after(1, [[0, 0.2, 0.4, 0.5, 1.5], [1.5, 0.9, 0.8, 0.4, 0.2, 0]])
)
def test_gradients_with_interpolation_are_those_of_the_solution(gradient, times):
    inputs = Inputs(times)
    tight = {"rtol": 1e-9, "atol": 1e-9}
    steps = gradients(inputs, options={"interpolate": False}, **tight)
    inside = gradients(inputs, gradient=gradient, options={"interpolate": True}, **tight)
    for a, b in zip(inside, steps, strict=True):
        assert np.allclose(a, b, rtol=1e-6, atol=1e-6)


def test_interpolation_is_refused_where_there_is_no_interpolant():
    with pytest.raises(ValueError, match="dop853.*no interpolant.*dopri5, tsit5, bosh3"):
        odeint(spiral, tf.ones([1, 2]), [0.0, 1.0], method="dop853",
               options={"interpolate": True})  # fmt: skip


def test_failure_between_two_times_leaves_what_was_passed():
    solve = tf.function(
        lambda y0: odeint(lambda t, y: y**2, y0, [0.0, 0.2, 0.5, 2.0],
                          options={"on_failure": "nan"}, full_output=True)
    )  # fmt: skip
    y, info = solve(tf.ones([1], tf.float64))
    assert np.allclose(y[1:3, 0], [1 / 0.8, 2], rtol=1e-4)
    assert np.isnan(y[3, 0])
    assert int(info.status) > 0


@pytest.mark.parametrize("changed", [(0, 1, 1e-7), (6, 3, 1e-7)])
def test_wrong_digit_in_an_interpolant_is_found(changed):
    i, j, change = changed
    rows = [list(row) for row in TABLEAUS["dopri5"].interpolant]
    rows[i][j] += change
    with pytest.raises(ValueError, match="interpolant"):
        dataclasses.replace(TABLEAUS["dopri5"], interpolant=rows)
    rows[i][j - 1] -= change  # right at the end of the step, wrong within
    with pytest.raises(ValueError, match=r"interpolant \(at theta = 0.3\)"):
        dataclasses.replace(TABLEAUS["dopri5"], interpolant=rows)


def test_dopri5_interpolates_as_scipy_does():
    assert np.allclose(TABLEAUS["dopri5"].interpolant, scipy.integrate.RK45.P, rtol=1e-14)
