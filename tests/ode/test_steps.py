"""Bounds of the steps, norms of one's own, jumps, and the error of parameters."""

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import odeint
from tests.slowly import slow_after

ONE = tf.ones([1], tf.float64)


def solve(f, t=(0.0, 1.0), y0=ONE, **kwargs):
    y, info = odeint(f, y0, list(t), full_output=True, **kwargs)
    return y, info


def test_no_step_is_longer_than_max_step():
    _, free = solve(lambda t, y: -y)
    _, info = solve(lambda t, y: -y, options={"max_step": 0.05})
    assert int(free.accepted) < 20 <= int(info.accepted) <= 21


@pytest.mark.slow
def test_a_step_as_short_as_min_step_is_accepted():
    def rough(t, y):
        return tf.sin(1000 * t) * tf.ones_like(y)

    y, info = solve(rough, options={"min_step": 0.05})
    assert int(info.accepted) <= 20
    assert abs(float(y[-1, 0]) - 1) < 0.5
    _, free = solve(rough)
    assert int(free.accepted) > 100


def test_no_limit_of_steps():
    def rough(t, y):
        return tf.cos(300 * t) * tf.ones_like(y)

    kwargs = {"rtol": 1e-8, "atol": 1e-8, "method": "bosh3"}
    with pytest.raises(ArithmeticError, match="maximum number of steps"):
        solve(rough, options={"max_num_steps": 50}, **kwargs)
    unlimited = tf.function(
        lambda: solve(rough, options={"max_num_steps": None}, **kwargs)
    )
    y, info = unlimited()
    assert int(info.accepted) > 1000
    assert float(y[-1, 0]) == pytest.approx(1 + np.sin(300) / 300, abs=1e-6)


def test_norm_is_given_the_state_s_structure_and_decides():
    y0 = {"fast": ONE, "slow": tf.zeros([100], tf.float64)}

    def f(t, y):
        return {"fast": -50 * y["fast"], "slow": tf.ones_like(y["slow"])}

    def of_fast(ratios):
        return tf.sqrt(tf.reduce_mean(ratios["fast"] ** 2))

    _, mean = odeint(f, y0, [0.0, 1.0], full_output=True)
    _, strict = odeint(f, y0, [0.0, 1.0], options={"norm": of_fast}, full_output=True)
    assert int(strict.accepted) > int(mean.accepted)
    alone = solve(lambda t, y: -50 * y)[1]
    assert int(strict.accepted) == int(alone.accepted)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_norm_serves_the_adjoint_too(gradient):
    def largest(ratio):
        return tf.reduce_max(tf.abs(ratio))

    with tf.GradientTape() as tape:
        tape.watch(ONE)
        y = odeint(lambda t, y: -y * tf.cos(t), ONE, [0.0, 2.0], gradient=gradient,
                   options={"norm": largest})[-1]  # fmt: skip
    bar = tape.gradient(y, ONE)
    assert float(bar[0]) == pytest.approx(np.exp(-np.sin(2)), rel=1e-4)


def kinked(t, y):
    later = tf.where(t < 0.8, -5 * tf.cos(t), 2 * tf.cos(t))
    return tf.where(t < 0.3, tf.ones_like(t), later) * y


def exact(t):
    if t < 0.3:
        return np.exp(t)
    middle = np.exp(0.3 - 5 * (np.sin(min(t, 0.8)) - np.sin(0.3)))
    return middle * (np.exp(2 * (np.sin(t) - np.sin(0.8))) if t > 0.8 else 1)


@pytest.mark.parametrize("method", slow_after(1, ["dopri5", "dop853", "bosh3"]))
@pytest.mark.parametrize("way", [1, -1])
def test_jumps_that_are_known_cost_no_rejections(method, way):
    t = [0.0, 0.1, 0.3, 0.5, 0.8, 0.9, 1.0][::way]
    y0 = tf.constant([exact(t[0])], tf.float64)
    known, with_times = solve(kinked, t, y0, method=method, rtol=1e-6, atol=1e-6,
                              options={"jump_times": [0.8, 0.3, 7.0]})  # fmt: skip
    _, without = solve(kinked, t, y0, method=method, rtol=1e-6, atol=1e-6)
    assert int(with_times.nfe) < 0.7 * int(without.nfe)
    expected = [exact(x) for x in t]
    assert np.allclose(known[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("method", ["rk4", "dopri5"])
@pytest.mark.parametrize("t", [[0.0, 1.0], [0.0, 0.5, 1.0], [2.0, 1.0]])
def test_jump_at_the_last_time_is_not_looked_across(method, t):
    before = t[0] < 1

    def f(t, y):
        return tf.where(
            t < 1 if before else t > 1, tf.ones_like(y), 100 * tf.ones_like(y)
        )

    options = {"jump_times": [1.0]} | ({"num_steps": 1} if method == "rk4" else {})
    y, info = solve(f, t, 0 * ONE, method=method, options=options)
    assert float(y[-1, 0]) == pytest.approx(t[-1] - t[0], rel=1e-12)
    assert int(info.rejected) == 0


def test_jump_at_the_start_is_stepped_away_from():
    y, info = solve(lambda t, y: tf.where(t > 0, y, 1e6 * y), [0.0, 1.0],
                    options={"jump_times": [0.0]})  # fmt: skip
    assert float(y[-1, 0]) == pytest.approx(np.e, rel=1e-4)
    assert int(info.rejected) == 0


@pytest.mark.parametrize("gradient", slow_after(1, ["adjoint", "backprop", "autodiff"]))
def test_gradient_goes_through_jumps(gradient):
    rate = tf.Variable(2.0, dtype=tf.float64)

    @tf.function
    def bars():
        with tf.GradientTape() as tape:
            tape.watch(ONE)
            y = odeint(lambda t, y: tf.where(t < 0.4, rate * y, -y), ONE, [0.0, 0.2, 1.0],
                       options={"jump_times": [0.4]}, gradient=gradient, rtol=1e-9,
                       atol=1e-9)  # fmt: skip
            loss = y[1, 0] + y[2, 0]
        return tape.gradient(loss, [ONE, rate])

    at_02, at_1 = np.exp(0.4), np.exp(0.8 - 0.6)
    y0_bar, rate_bar = bars()
    assert float(y0_bar[0]) == pytest.approx(at_02 + at_1, rel=1e-7)
    assert float(rate_bar) == pytest.approx(0.2 * at_02 + 0.4 * at_1, rel=1e-7)


def test_jumps_with_times_that_are_a_tensor_are_refused():
    with pytest.raises(ValueError, match="jump_times.*pass t as numbers"):
        odeint(kinked, ONE, tf.constant([0.0, 1.0]), options={"jump_times": [0.3]})


def test_parameters_of_the_adjoint_can_be_controlled():
    p = tf.Variable(1.0, dtype=tf.float64)  # here state and adjoint are constant

    def error(control):
        with tf.GradientTape() as tape:
            y = odeint(lambda t, y: (p - 1) * tf.sin(200 * t) + 0 * y, ONE, [0.0, 1.0],
                       gradient="adjoint",
                       options={"adjoint_control_parameters": control})  # fmt: skip
            loss = tf.reduce_sum(y[-1])
        return abs(float(tape.gradient(loss, p)) - (1 - np.cos(200)) / 200)

    assert error(False) > 1e-3
    assert error(True) < 1e-5


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("min_step", 0, "min_step is 0: pass a positive number"),
        ("max_step", "a", "max_step is 'a': pass a positive number"),
        ("jump_times", 0.3, "jump_times is 0.3: pass a sequence"),
        ("jump_times", [np.nan], "jump_times is .*: pass a sequence of finite"),
        ("norm", 2, "norm is 2: pass a function"),
        ("interpolate", "yes", "interpolate is 'yes': pass None or True or False"),
        ("per_sample", 1, "per_sample is 1: pass True or False"),
        ("max_num_steps", 0, "max_num_steps is 0: pass a positive integer"),
    ],
)
def test_options_that_are_wrong_are_named(option, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        odeint(lambda t, y: y, ONE, [0.0, 1.0], options={option: value})


def test_bounds_in_the_wrong_order():
    with pytest.raises(ValueError, match="min_step is 1 and max_step 0.5"):
        odeint(lambda t, y: y, ONE, [0.0, 1.0], options={"min_step": 1, "max_step": 0.5})


@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    ("norm", "per_sample", "sentence"),
    [
        (lambda r: None, False, "norm returned None and is to return one number:"),
        (lambda r: r, False, r"tensor of float64, shape \(1, 2\), and is to .* one num"),
        (lambda r: tf.reduce_any(r > 1), False, "tensor of bool, shape"),
        (tf.reduce_max, True, r"shape \(\), and is to return one number a sample, shape"),
        (lambda r: tf.reduce_max(r, 0), True, r"shape \(2,\), .* one number a sample"),
        (lambda r: [r, r[:, 0]], False, "norm returned .* and is to return one number"),
    ],
)
def test_norm_that_returns_something_else_is_one_sentence(
    norm, per_sample, sentence, graph
):
    def solve():
        options = {"norm": norm, "per_sample": per_sample}
        return odeint(lambda t, y: -y, np.ones([1, 2]), [0.0, 1.0], options=options)

    with pytest.raises(ValueError, match=sentence):
        (tf.function(solve, autograph=False) if graph else solve)()


@pytest.mark.parametrize("cast", [tf.float32, tf.int32])
def test_norm_may_return_another_type_of_number(cast):
    def norm(ratios):
        return tf.cast(tf.math.ceil(tf.reduce_max(abs(ratios))), cast)

    def steps(norm):
        _, info = odeint(lambda t, y: -y, np.ones([1, 2]), [0.0, 1.0],
                         options={"norm": norm}, full_output=True)  # fmt: skip
        return int(info.nfe)

    assert steps(norm) == steps(lambda r: tf.math.ceil(tf.reduce_max(abs(r))))


@pytest.mark.parametrize("option", ["min_step", "max_step", "norm"])
def test_options_of_adaptive_methods_are_refused_on_a_fixed_grid(option):
    value = tf.reduce_max if option == "norm" else 0.1
    with pytest.raises(ValueError, match=f"rk4.*no option '{option}'"):
        odeint(lambda t, y: y, ONE, [0.0, 1.0], method="rk4",
               options={"num_steps": 2, option: value})  # fmt: skip


@pytest.mark.parametrize("per_sample", [False, True])
def test_min_step_is_no_way_through_what_is_not_finite(per_sample):
    """And no endless loop, where there is no limit of steps."""

    def broken(t, y):
        return tf.where(t < 0.5, y, float("nan") * y)

    options = {"min_step": 1e-2, "max_num_steps": None, "per_sample": per_sample}
    with pytest.raises(ArithmeticError, match="non-finite"):
        odeint(broken, tf.ones([2, 1]), [0.0, 1.0], options=options)


def test_gradient_in_parts_is_reported_as_one():
    told = []
    options = {"jump_times": [0.3, 0.6], "on_backward": told.append}
    with tf.GradientTape() as tape:
        tape.watch(ONE)
        y, info = solve(lambda t, y: -y, options=options)
    tape.gradient(y, ONE)
    (backward,) = told
    # Through the steps: each has six evaluations, and is gone back through once.
    assert int(backward.nfe) == 6 * int(info.accepted)
    assert 0 < float(backward.suited_step) < 10
