"""DormandPrince in the place of TensorFlow Probability's own."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from node_transfer import DormandPrince, ODESolveError

TIGHT = {"rtol": 1e-8, "atol": 1e-12}
RATES = np.array([-0.5, -1.0])
Y0 = np.array([1.0, 2.0])
CHOSEN = tfp.math.ode.ChosenBySolver(1.0)


def linear(t, y):
    return RATES * y


def solution(times):
    return np.exp(RATES * np.asarray(times)[:, None]) * Y0


@pytest.mark.parametrize("graph", [False, True])
def test_times_chosen_by_the_solver_are_its_steps(graph):
    def compute():
        return DormandPrince(**TIGHT).solve(linear, 0.0, tf.constant(Y0), CHOSEN)

    results = (tf.function(compute) if graph else compute)()
    times = results.times.numpy()
    assert times[-1] == 1 and times[0] > 0 and np.all(np.diff(times) > 0)
    assert np.allclose(results.states, solution(times), rtol=1e-7)
    assert int(results.diagnostics.status) == 0
    evaluations = int(results.diagnostics.num_ode_fn_evaluations)
    assert 6 * len(times) < evaluations <= 6 * len(times) + 20


def test_solve_goes_on_from_the_state_of_the_one_before():
    solver = DormandPrince(**TIGHT)
    first = solver.solve(linear, 0.0, tf.constant(Y0), CHOSEN)
    kwargs = {"solution_times": tfp.math.ode.ChosenBySolver(2.0)}
    cold = solver.solve(linear, 1.0, first.states[-1], **kwargs)
    warm = solver.solve(
        linear, 1.0, first.states[-1],
        previous_solver_internal_state=first.solver_internal_state, **kwargs,
    )  # fmt: skip
    assert np.allclose(warm.states, solution(warm.times), rtol=1e-7)
    spent = [int(r.diagnostics.num_ode_fn_evaluations) for r in (warm, cold)]
    assert spent[0] < spent[1]


@pytest.mark.parametrize("solution_times", [CHOSEN, [0.3, 1.0]])
def test_complex_states(solution_times):
    rates = np.array([1j - 0.1, 1j])
    y0 = tf.constant(Y0, tf.complex128)
    results = DormandPrince(**TIGHT).solve(
        lambda t, y: rates * y, 0.0, y0, solution_times
    )
    exact = np.exp(rates * results.times.numpy()[:, None]) * Y0
    assert results.states.dtype == tf.complex128
    assert np.allclose(results.states, exact, rtol=1e-7)


@pytest.mark.parametrize("shape", [(), (2, 2)])
def test_state_of_any_shape_and_functions_of_numpy(shape):
    y0 = np.ones(shape)
    results = DormandPrince(**TIGHT).solve(lambda t, y: -y, 0.0, y0, CHOSEN)
    decay = np.exp(-results.times.numpy()).reshape([-1] + [1] * len(shape))
    assert np.allclose(results.states, decay * y0, rtol=1e-7)
    still = DormandPrince().solve(lambda t, y: np.zeros(shape), 0.0, y0, CHOSEN)
    assert np.allclose(still.states, 1)


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.5, 1.0]])
def test_solution_times_may_begin_with_the_initial_one(times):
    results = DormandPrince(**TIGHT).solve(linear, 0.0, tf.constant(Y0), times)
    assert np.allclose(results.times, times)
    assert np.allclose(results.states, solution(times), rtol=1e-7)
    assert int(results.diagnostics.num_ode_fn_evaluations) < 200


@pytest.mark.parametrize(
    "times", [[], [1.0, 0.5], [0.5, 0.5], [-1.0, 1.0], [1.0, np.inf]]
)
def test_times_that_cannot_be_met_are_refused(times):
    with pytest.raises(ValueError, match="solution_times"):
        DormandPrince().solve(linear, 0.0, tf.constant(Y0), times)


def test_safety_and_factors_decide_the_steps():
    def steps(**kwargs):
        solver = DormandPrince(rtol=1e-6, atol=1e-6, first_step_size=1e-3, **kwargs)
        return len(solver.solve(linear, 0.0, tf.constant(Y0), CHOSEN).times)

    assert steps(safety_factor=0.3) > steps()
    assert steps(max_step_size_factor=1.5) > steps()


def test_no_limit_of_steps():
    solver = DormandPrince(max_num_steps=None, **TIGHT)
    y0 = tf.ones([1], tf.float64)
    results = tf.function(
        lambda: solver.solve(lambda t, y: tf.cos(1e3 * t) * y, 0.0, y0, [4.0])
    )()
    assert int(results.diagnostics.num_ode_fn_evaluations) > 6000
    with pytest.raises(ODESolveError, match="maximum number of steps"):
        DormandPrince(max_num_steps=5, **TIGHT).solve(linear, 0.0, tf.constant(Y0), [9.0])


def test_batch_member_is_within_the_tolerance_however_many_there_are():
    y0 = tf.concat([tf.ones([1, 1]), tf.zeros([500, 1])], 0)

    def error(**kwargs):
        y = DormandPrince(rtol=1e-4, atol=1e-4).solve(
            lambda t, y: -10 * y * tf.cos(9 * t), 0.0, y0, [1.0], **kwargs
        )
        return abs(float(y.states[0, 0, 0]) - np.exp(-10 / 9 * np.sin(9)))

    assert error(batch_ndims=1) < 0.3 * error()


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradient_is_the_adjoint_s_with_another_solver_and_under_xla(jit_compile):
    rate = tf.constant([-0.5, -1.0], tf.float64)
    adjoint = DormandPrince(rtol=1e-9, atol=1e-9)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def bar():
        solver = DormandPrince(make_adjoint_solver_fn=lambda: adjoint, **TIGHT)
        with tf.GradientTape() as tape:
            tape.watch(rate)
            y = solver.solve(
                lambda t, y, rate: rate * y, 0.0, tf.constant(Y0), [0.5, 1.0],
                constants={"rate": rate},
            )  # fmt: skip
            loss = tf.reduce_sum(y.states[-1])
        return tape.gradient(loss, rate)

    assert np.allclose(bar(), np.exp(RATES) * Y0, rtol=1e-6)


def test_gradient_of_times_chosen_by_the_solver():
    y0 = tf.constant(Y0)
    with tf.GradientTape() as tape:
        tape.watch(y0)
        results = DormandPrince(**TIGHT).solve(linear, 0.0, y0, CHOSEN)
        loss = tf.reduce_sum(results.states[-1])
    assert np.allclose(tape.gradient(loss, y0), np.exp(RATES), rtol=1e-6)


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.5, 1.0]])
def test_gradient_in_a_graph_where_the_times_begin_with_the_initial_one(times):
    rate = tf.constant(0.5, tf.float64)

    @tf.function
    def bar(times):
        with tf.GradientTape() as tape:
            tape.watch(rate)
            results = DormandPrince(**TIGHT).solve(
                lambda t, y, rate: -rate * y, 0.0, tf.constant(Y0), solution_times=times,
                constants={"rate": rate},
            )  # fmt: skip
            loss = tf.reduce_sum(results.states)
        return tape.gradient(loss, rate)

    expected = -np.sum(Y0) * np.sum(np.asarray(times) * np.exp(-0.5 * np.asarray(times)))
    assert float(bar(tf.constant(times, tf.float64))) == pytest.approx(expected, rel=1e-6)


def test_integers_are_refused():
    with pytest.raises(TypeError, match="initial_state"):
        DormandPrince().solve(lambda t, y: -y, 0.0, np.int32(1), [1.0])
