"""Every gradient, against central differences of the solution in float64."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from node_transfer import DenseDynamics, odeint
from tests.ode.problems import PROBLEMS, Problem, dense_block
from tests.slowly import slow_after, slow_unless

TIGHT = {"rtol": 1e-10, "atol": 1e-10}
CASES = [
    ("dopri5", "backprop", {}),
    ("rk4", "backprop", {"num_steps": 8}),
    ("dopri5", "adjoint", {}),
    ("rk4", "adjoint", {"num_steps": 200}),
    ("tsit5", "backprop", {}),
    ("tsit5", "adjoint", {}),
    ("heun", "backprop", {"num_steps": 8}),
    ("midpoint", "backprop", {"num_steps": 8}),
    ("euler", "backprop", {"num_steps": 8}),
    ("bosh3", "backprop", {}),
    ("bosh3", "adjoint", {}),
]


class Inputs:
    """A small nonlinear problem with every kind of input that has a gradient."""

    def __init__(self, times):
        rng = np.random.default_rng(7)
        self.kernel = tf.Variable(rng.normal(size=(3, 3)) * 0.5)
        self.constant = tf.constant(rng.normal(size=3))
        self.y0 = tf.constant(rng.normal(size=(2, 3)))
        self.t = tf.constant(times, tf.float64)
        self.weights = tf.constant(rng.normal(size=(len(times), 2, 3)))

    def f(self, t, y, constant):
        return tf.tanh(y @ self.kernel + constant * t) * tf.cos(t)

    def loss(self, y0, t, constant, **kwargs):
        states = odeint(self.f, y0, t, constants={"constant": constant}, **kwargs)
        return tf.reduce_sum(states * self.weights)


def gradients(inputs, **kwargs):
    with tf.GradientTape() as tape:
        tape.watch([inputs.y0, inputs.t, inputs.constant])
        loss = inputs.loss(inputs.y0, inputs.t, inputs.constant, **kwargs)
    return tape.gradient(loss, [inputs.y0, inputs.t, inputs.constant, inputs.kernel])


def directional_difference(loss, inputs, index, direction, step):
    """Central difference of the loss in one input."""
    values = []
    for sign in (1, -1):
        moved = [inputs.y0, inputs.t, inputs.constant]
        if index < 3:
            moved[index] = moved[index] + sign * step * direction
            values.append(float(loss(*moved)))
        else:
            kept = inputs.kernel.numpy()
            inputs.kernel.assign(kept + sign * step * direction)
            values.append(float(loss(*moved)))
            inputs.kernel.assign(kept)
    return (values[0] - values[1]) / (2 * step)


BACK = [1.0, 0.3, -0.2]  # through a time between, and back in time
HARDEST = ("stiffish", "lotka_volterra")
TIMES = [BACK, [0.0, 1.0], [0.0, 0.4, 1.0]]


@pytest.mark.parametrize("times", slow_after(1, TIMES))
@pytest.mark.parametrize(("method", "gradient", "options"), slow_after(4, CASES))
def test_gradient_agrees_with_finite_difference(method, gradient, options, times):
    if method == "bosh3":  # order 3: a tolerance that it reaches in reasonable time
        tolerances, agreement = {"rtol": 1e-7, "atol": 1e-7}, 1e-5
    else:
        tolerances, agreement = TIGHT, 1e-7
    inputs = Inputs(times)
    kwargs = {"method": method, "gradient": gradient, "options": options, **tolerances}
    compute = tf.function(lambda: gradients(inputs, **kwargs))
    loss = tf.function(lambda y0, t, c: inputs.loss(y0, t, c, **kwargs))
    rng = np.random.default_rng(1)
    for index, bar in enumerate(compute()):
        direction = rng.normal(size=bar.shape)
        expected = directional_difference(loss, inputs, index, direction, 1e-5)
        assert np.sum(bar * direction) == pytest.approx(expected, rel=agreement, abs=1e-7)


@pytest.mark.parametrize("direction", slow_after(1, ["forward", "reverse"]))
@pytest.mark.parametrize(
    ("name", "method", "gradient"),
    slow_unless(
        lambda name, method, gradient: method == "dopri5" and name in HARDEST,
        [
            *itertools.product(
                PROBLEMS, ("dopri5", "tsit5", "bosh3"), ("backprop", "adjoint")
            ),
            *((name, "bdf", "adjoint") for name in PROBLEMS),
        ],
    ),
)
def test_gradient_of_each_problem_agrees_with_dop853(method, gradient, name, direction):
    problem = PROBLEMS[name]
    t0, t1 = problem.t0, problem.t0 + 0.3 * (problem.t1 - problem.t0)
    y0 = np.asarray(problem.y0)
    if direction == "reverse":
        if name == "stiffish":
            pytest.skip("back in time it grows by exp(15): no solver keeps its digits")
        y0, t0, t1 = problem.solution(t1=t1), t1, t0
    weights = np.arange(1.0, 1.0 + y0.size)

    def loss(y0):
        return np.sum(weights * problem.solution(t0=t0, t1=t1, y0=y0))

    @tf.function
    def bar(y0):
        with tf.GradientTape() as tape:
            tape.watch(y0)
            y = odeint(
                problem.f, y0, [t0, t1], rtol=1e-8, atol=1e-8, method=method,
                gradient=gradient, options={"max_num_steps": 20_000},
            )[-1]  # fmt: skip
            value = tf.reduce_sum(weights * y)
        return tape.gradient(value, y0)

    direction_vector, step = np.cos(np.arange(y0.size)), 1e-4
    expected = loss(y0 + step * direction_vector) - loss(y0 - step * direction_vector)
    actual = np.sum(bar(tf.constant(y0)) * direction_vector)
    agreement = {"bdf": 1e-3, "bosh3": 1e-4}.get(method, 1e-5)
    assert actual == pytest.approx(expected / (2 * step), rel=agreement)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("rk4", {"num_steps": 3}),
        ("dopri5", {"first_step": 0.25, "interpolate": False}),
        ("dop853", {"first_step": 0.25}),
    ],
)
def test_backprop_is_the_gradient_of_the_steps_taken_to_nine_digits(method, options):
    # A tolerance this loose accepts every step, so the steps are the same for a moved
    # input; five-point differences in float64 are then good to about 1e-12.
    inputs = Inputs((0.0, 0.6, 1.0))
    kwargs = {"method": method, "options": options, "rtol": 1e3, "atol": 1e3}
    loss = tf.function(lambda y0, t, c: inputs.loss(y0, t, c, **kwargs))
    rng = np.random.default_rng(2)
    for index, bar in enumerate(gradients(inputs, **kwargs)):
        direction = rng.normal(size=bar.shape)
        near, far = (
            directional_difference(loss, inputs, index, direction, step)
            for step in (1e-3, 2e-3)
        )
        expected = (4 * near - far) / 3
        assert np.sum(bar * direction) == pytest.approx(expected, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("gradient", slow_after(1, ["adjoint", "backprop"]))
def test_eager_and_graph_gradients_agree(gradient):
    inputs = Inputs((0.0, 0.5, 1.0))
    kwargs = {"gradient": gradient, "rtol": 1e-6, "atol": 1e-6}
    eager = gradients(inputs, **kwargs)
    graph = tf.function(lambda: gradients(inputs, **kwargs))()
    for a, b in zip(eager, graph, strict=True):
        assert np.allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
@pytest.mark.parametrize("scale", slow_after(1, [1e-9, 1e6, 1.0]))
def test_relative_error_of_the_gradient_does_not_depend_on_the_loss_scale(
    gradient, scale
):
    inputs = Inputs((0.0, 1.0))
    inputs.weights = scale * inputs.weights
    coarse = gradients(inputs, gradient=gradient, rtol=1e-5, atol=1e-5)
    fine = gradients(inputs, gradient="backprop", **TIGHT)
    for a, b in zip(coarse, fine, strict=True):
        assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(b)


@pytest.mark.slow
def test_both_gradients_agree_for_nested_states():
    a = tf.Variable(0.3, dtype=tf.float64)

    def f(t, y):
        return (a * y[1] * tf.cos(t), -y[0] * y[1])

    y0 = (tf.constant([1.0, 2.0], tf.float64), tf.constant([0.5, -1.0], tf.float64))
    bars = []
    for gradient in ("backprop", "adjoint"):
        with tf.GradientTape() as tape:
            tape.watch(y0)
            first, second = odeint(f, y0, [0.0, 1.0], gradient=gradient, **TIGHT)
            loss = tf.reduce_sum(first[-1] ** 2) + tf.reduce_sum(second[-1])
        bars.append(tf.nest.flatten(tape.gradient(loss, [*y0, a])))
    for left, right in zip(*bars, strict=True):
        assert np.allclose(left, right, rtol=1e-8)


@pytest.mark.parametrize(
    ("gradient", "graph"),
    slow_after(
        2,
        [("backprop", False), ("adjoint", False), ("adjoint", True), ("backprop", True)],
    ),
)
def test_second_derivative_is_refused(gradient, graph):
    def second(y0):
        with tf.GradientTape() as outer:
            outer.watch(y0)
            with tf.GradientTape() as inner:
                inner.watch(y0)
                y = odeint(lambda t, y: -(y**2), y0, [0.0, 1.0], gradient=gradient)[-1]
            first = inner.gradient(y, y0)
        return outer.gradient(first, y0)

    with pytest.raises(NotImplementedError, match="Second derivatives"):
        (tf.function(second) if graph else second)(tf.constant([1.0, 2.0]))


@pytest.mark.parametrize("method", ["bdf", "dopri5_tfp"])
def test_second_derivative_of_tfp_methods_is_refused(method):
    y0 = tf.constant([1.0, 2.0])
    with tf.GradientTape() as outer:
        outer.watch(y0)
        with tf.GradientTape() as inner:
            inner.watch(y0)
            y = odeint(
                lambda t, y: -(y**2), y0, [0.0, 0.1], method=method, gradient="adjoint",
                rtol=0.1, atol=0.1,
            )[-1]  # fmt: skip
        first = inner.gradient(y, y0)
    with pytest.raises(NotImplementedError, match="Second derivatives"):
        outer.gradient(first, y0)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_time_given_in_a_list_of_numbers_and_tensors_has_its_gradient(gradient):
    t1 = tf.Variable(1.0, dtype=tf.float64)
    with tf.GradientTape() as tape:
        y = odeint(
            lambda t, y: -2.0 * y, tf.ones([1], tf.float64), [0.0, t1],
            gradient=gradient, rtol=1e-8, atol=1e-8,
        )[-1]  # fmt: skip
    assert float(tape.gradient(y, t1)) == pytest.approx(-2 * np.exp(-2.0), rel=1e-6)


@pytest.mark.parametrize("gradient", slow_after(1, ["adjoint", "backprop"]))
def test_gradients_of_dense_dynamics_agree_with_finite_differences(gradient):
    weights, y0, f_numpy = dense_block()
    dynamics = DenseDynamics(5, dtype="float64")
    dynamics.build((), y0.shape)
    names = ("w1", "wt", "b1", "w2", "b2")
    dynamics.set_weights([weights[name] for name in names])
    y0_tensor = tf.constant(y0)
    with tf.GradientTape() as tape:
        tape.watch(y0_tensor)
        y = odeint(dynamics, y0_tensor, [0.0, 1.0], gradient=gradient, rtol=1e-8,
                   atol=1e-8)[-1]  # fmt: skip
        loss = tf.reduce_sum(tf.sin(y))
    sources = [v.value for v in dynamics.trainable_variables]
    y0_bar, *bars = tape.gradient(loss, [y0_tensor, *sources])

    def true_loss(y0):
        problem = Problem("dense", None, f_numpy, y0, 0.0, 1.0)
        return np.sum(np.sin(problem.solution()))

    rng, step = np.random.default_rng(4), 1e-5
    direction = rng.normal(size=y0.shape)
    difference = true_loss(y0 + step * direction) - true_loss(y0 - step * direction)
    assert np.sum(y0_bar * direction) == pytest.approx(difference / (2 * step), rel=1e-6)
    for name, bar in zip(names, bars, strict=True):
        direction, kept, losses = rng.normal(size=bar.shape), weights[name], []
        for sign in (1, -1):
            weights[name] = kept + sign * step * direction
            losses.append(true_loss(y0))
        weights[name] = kept
        expected = (losses[0] - losses[1]) / (2 * step)
        assert np.sum(bar * direction) == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_infinite_cotangent_gives_a_gradient_that_is_not_finite(gradient):
    # What mixed precision relies on to lower its loss scale.
    y0 = tf.ones([2])
    with tf.GradientTape() as tape:
        tape.watch(y0)
        y = odeint(lambda t, y: -y, y0, [0.0, 1.0], gradient=gradient)[-1]
    bar = tape.gradient(y, y0, output_gradients=tf.constant([np.inf, 1.0], tf.float32))
    assert not np.all(np.isfinite(bar))
