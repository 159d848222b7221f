"""Solves in few dimensions, against those of the same problems as they come."""

import numpy as np
import pytest
import tensorflow as tf

from node_transfer.ode import low_rank
from node_transfer.ode.problem import LowRankFunction, Problem
from node_transfer.ode.solve import solve
from node_transfer.ode.solver import Solver
from tests.slowly import slow_after

NAMES = ("h0", "into", "out", "bias", "time", "hidden bias")
UNITS, HIDDEN = 40, 7


def inner(t, z, time_kernel, hidden_bias):
    return tf.tanh(z + t * time_kernel + hidden_bias)


def problem_tensors(shape=(5,), scale=2.0):
    rng = np.random.default_rng(0)
    shapes = [
        (*shape, UNITS), (UNITS, HIDDEN), (HIDDEN, UNITS), (UNITS,), (HIDDEN,), (HIDDEN,),
    ]  # fmt: skip
    scales = [1.0, scale / UNITS**0.5, scale / HIDDEN**0.5, 0.3, 1.0, 0.2]
    return [
        tf.constant(rng.normal(size=s) * x) for s, x in zip(shapes, scales, strict=True)
    ]


def as_it_comes(f):
    """The same function, which tells nothing of its factors."""
    return lambda t, h, tensors: f(t, h, tensors)


def solved(tensors, times, solver, in_few=True):
    """Returns the states, what the solve cost, and the gradient of a sum of them."""
    backward = []
    options = {**solver.pop("options", {}), "on_backward": lambda x: backward.append(x)}
    solver = Solver(**{"rtol": 1e-5, "atol": 1e-5, **solver}, options=options)

    @tf.function
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            h0, *rest = tensors
            f = LowRankFunction(inner, *rest[:3], rest[3:])
            func = f if in_few else as_it_comes(f)
            states, info = solve(func, h0, times, solver, f.constants)
            weights = tf.reshape(tf.range(tf.size(states)), tf.shape(states))
            loss = tf.reduce_sum(states * tf.cos(tf.cast(weights, states.dtype)))
        gradient = tape.gradient(loss, tensors)
        cost = [info.nfe, info.rejected, *(x.nfe for x in backward)]
        return states, cost, gradient

    states, cost, gradient = compute()
    return states.numpy(), [int(x) for x in cost], [x.numpy() for x in gradient]


def both_ways(tensors, times, **solver):
    return [solved(tensors, times, dict(solver), in_few) for in_few in (True, False)]


CASES = [
    ([0.0, 0.3, 0.35, 1.0], {"method": "dopri5"}),
    ([0.0, 1.0], {"method": "bosh3", "rtol": 1e-3}),
    ([0.0, 1.0], {"method": "rk4", "options": {"num_steps": 3}}),
    ([1.0, 0.0, -0.5], {"method": "tsit5", "options": {"interpolate": False}}),
    ([0.0, 0.5, 1.0], {"method": "dop853", "rtol": 1e-8}),
    ([0.0, 1.0], {"options": {"norm": lambda x: tf.reduce_max(tf.abs(x))}}),
]


@pytest.mark.parametrize("gradient", slow_after(1, ["adjoint", "backprop"]))
@pytest.mark.parametrize(("times", "solver"), slow_after(1, CASES))
def test_states_steps_and_gradients_are_those_of_the_solve_as_it_comes(
    times, solver, gradient
):
    solver = {"method": "dopri5", **solver, "gradient": gradient}
    few, plain = both_ways(problem_tensors(), times, **solver)
    np.testing.assert_allclose(few[0], plain[0], rtol=1e-11, atol=1e-12)
    assert few[1] == plain[1]
    for name, a, b in zip(NAMES, few[2], plain[2], strict=True):
        # Those of A and B are, of the adjoint, other quadratures of the same integrals.
        other = gradient == "adjoint" and name in ("into", "out")
        near = 0.05 if other else 1e-10
        assert np.abs(a - b).max() < near * np.abs(b).max(), name


@pytest.mark.slow
@pytest.mark.parametrize("gradient", ["backprop", "adjoint"])
def test_states_may_have_more_axes(gradient):
    tensors = problem_tensors(shape=(2, 3))
    solver = {"method": "dopri5", "gradient": gradient, "rtol": 1e-9, "atol": 1e-9}
    few, plain = both_ways(tensors, [0.0, 0.4, 1.0], **solver)
    np.testing.assert_allclose(few[0], plain[0], rtol=1e-11, atol=1e-12)
    for a, b in zip(few[2], plain[2], strict=True):
        assert np.abs(a - b).max() < 1e-6 * np.abs(b).max()


@pytest.mark.parametrize("gradient", slow_after(1, ["adjoint", "backprop"]))
def test_gradient_within_tensorflows_loop_is_that_within_pythons(gradient):
    values = problem_tensors()
    weights = [tf.Variable(x) for x in values[1:]]
    solver = Solver(0.0, 1.0, "rk4", gradient, {"num_steps": 2})

    def once(h):
        tensors = [tf.convert_to_tensor(w) for w in weights]
        f = LowRankFunction(inner, *tensors[:3], tensors[3:])
        return solve(f, h, [0.0, 0.5], solver, f.constants)[0][0]

    def differentiated(twice):
        @tf.function
        def compute(h):
            with tf.GradientTape() as tape:
                tape.watch(h)
                loss = tf.reduce_sum(tf.sin(twice(h)))
            return tape.gradient(loss, [h, *weights])

        return compute(values[0])

    looped = differentiated(
        lambda h: tf.while_loop(
            lambda i, h: i < 2, lambda i, h: (i + 1, once(h)), (0, h)
        )[1]
    )
    unrolled = differentiated(lambda h: once(once(h)))
    for name, a, b in zip(NAMES, looped, unrolled, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11, err_msg=name)


def test_far_along_a_solution_that_stays_the_steps_are_those_of_the_solve_as_it_comes():
    """c B and (t - t0) b grow there, against each other: h is not their difference."""
    rng = np.random.default_rng(0)
    into = np.linalg.qr(rng.normal(size=[16, 8]))[0]
    arrays = [rng.normal(size=[4, 16]), into, -into.T, rng.uniform(-0.9, 0.9, 8) @ into.T]
    h0, *weights = (tf.constant(x, tf.float32) for x in arrays)
    f = LowRankFunction(lambda t, z: tf.tanh(z), *weights)
    solver = Solver(1e-5, 1e-5, "dopri5", "backprop", {"max_num_steps": None})
    (few, info), (plain, info_as_it_comes) = (
        tf.function(lambda g=g: solve(g, h0, [0.0, 1000.0], solver, f.constants))()
        for g in (f, as_it_comes(f))
    )
    assert int(info.nfe) == pytest.approx(int(info_as_it_comes.nfe), rel=0.02)
    np.testing.assert_allclose(few, plain, atol=1e-4)  # to ten tolerances


@pytest.mark.slow
def test_adjoint_is_as_near_to_the_exact_gradient_as_of_the_solve_as_it_comes():
    tensors, times = problem_tensors(), [0.0, 1.0]
    exact = solved(
        tensors,
        times,
        {"method": "dop853", "gradient": "backprop", "rtol": 1e-12, "atol": 1e-12},
    )[2]
    adjoint = {"method": "dopri5", "gradient": "adjoint"}
    few, plain = both_ways(tensors, times, **adjoint)
    for name, a, b, truth in zip(NAMES, few[2], plain[2], exact, strict=True):
        far = [np.linalg.norm(x - truth) / np.linalg.norm(truth) for x in (a, b)]
        assert far[0] < 2e-3, name
        assert far[0] < 1.5 * far[1], name


def test_what_is_kept_of_a_step_is_as_narrow_as_what_is_solved_for():
    h0, *rest = problem_tensors()
    solver = Solver(1e-5, 1e-5, "dopri5", "backprop", None)
    f = LowRankFunction(inner, *rest[:3], rest[3:])
    problem = Problem.of(f, h0, [0.0, 1.0], f.constants)
    solution = low_rank.integrate(
        solver.forward, f, problem.y0, problem.times, problem.constants, record=True
    )
    _, _, states = solution.trajectory.step(0)
    assert [state.shape for state in states] == [(5, 2 * HIDDEN)]
    assert solution.outputs[0].shape == (1, 5, UNITS)


@pytest.mark.parametrize(
    ("width", "hidden", "solver", "answer"),
    [
        (128, 64, {}, True),
        (128, 65, {}, False),
        (127, 4, {}, False),
        (256, 4, {"method": "bdf"}, False),
        (256, 4, {"gradient": "backprop", "options": {"per_sample": True}}, False),
        (256, 4, {"options": {"jump_times": [0.5]}}, False),
        (256, 4, {"options": {"adjoint_control_parameters": True}}, False),
    ],
)
def test_it_is_for_wide_states_and_what_looks_at_no_part_of_them(
    width, hidden, solver, answer
):
    zeros = [tf.zeros(s) for s in ((width, hidden), (hidden, width), (width,))]
    f = LowRankFunction(lambda t, z: tf.tanh(z), *zeros)
    usual = {"method": "dopri5", "gradient": "adjoint", "options": None}
    solver = Solver(1e-5, 1e-5, **(usual | solver))
    assert low_rank.is_worthwhile(f, solver) == answer


@pytest.mark.parametrize("times", slow_after(1, [[0.0, 0.5, 0.7, 1.0], [1.0, 0.0]]))
def test_adjoint_is_as_exact_where_a_state_solved_back_strays_from_what_it_was(times):
    """What contracts forward grows back, and its errors with it."""
    h0, into, _, *rest = problem_tensors()
    into = np.linalg.qr(into)[0]
    rate = 12.0 * np.sign(times[-1] - times[0])
    tensors = [h0, tf.constant(into), tf.constant(-rate * into.T), *rest]
    tight = {"method": "dop853", "rtol": 1e-10, "atol": 1e-10, "gradient": "backprop"}
    exact = solved(tensors, times, tight, in_few=False)[2]
    few, plain = both_ways(tensors, times, method="dopri5", gradient="adjoint")
    assert few[1] == plain[1]
    for name, a, b, value in zip(NAMES, few[2], plain[2], exact, strict=True):
        far = [np.abs(x - value).max() / np.abs(value).max() for x in (a, b)]
        assert far[0] < max(2 * far[1], 1e-5), name
