"""The solution, against closed forms and SciPy's DOP853."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import tensorflow as tf

from node_transfer import DenseDynamics, DormandPrince, SolverOptions, odeint
from node_transfer.ode.tableaus import TABLEAUS
from tests.ode.problems import PROBLEMS, dense_block
from tests.slowly import slow_after, slow_unless

ADAPTIVE = [name for name, tableau in TABLEAUS.items() if tableau.adaptive]
FIXED = [name for name, tableau in TABLEAUS.items() if not tableau.adaptive]


def relative_error(value, truth):
    return np.max(np.abs(value - truth)) / max(1.0, np.max(np.abs(truth)))


def last_state(problem, t, y0=None, **kwargs):
    y0 = tf.constant(problem.y0 if y0 is None else y0, tf.float64)
    solve = tf.function(lambda y0: odeint(problem.f, y0, t, **kwargs)[-1])
    return solve(y0).numpy()


def scipys_error(problem, tolerance):
    """Relative error of SciPy's RK45 at the end."""
    ends = (problem.t0, problem.t1)
    solved = scipy.integrate.solve_ivp(
        problem.f_numpy, ends, np.ravel(problem.y0), rtol=tolerance, atol=tolerance
    )
    return relative_error(solved.y[:, -1], np.ravel(problem.solution()))


@pytest.mark.parametrize(
    ("method", "name"),
    slow_unless(
        lambda method, name: method == "dopri5" or name == "van_der_pol",
        itertools.product(ADAPTIVE, PROBLEMS),
    ),
)
@pytest.mark.parametrize("tolerance", slow_after(1, [1e-8, 1e-3, 1e-5]))
def test_error_stays_within_ten_tolerances(name, method, tolerance):
    problem = PROBLEMS[name]
    t = [problem.t0, problem.t1]
    y = last_state(
        problem, t, method=method, rtol=tolerance, atol=tolerance,
        options={"max_num_steps": 10_000},
    )  # fmt: skip
    error = relative_error(y, problem.solution())
    # At 1e-3 SciPy's own RK45 is more than ten tolerances off on lotka_volterra.
    assert error < 10 * tolerance or error < 2 * scipys_error(problem, tolerance)


@pytest.mark.parametrize(
    "name", slow_after(1, ["lotka_volterra", "exponential", "linear", "sine"])
)
@pytest.mark.parametrize("method", ADAPTIVE)
def test_solves_back_in_time(name, method):
    problem = PROBLEMS[name]
    t1 = problem.t0 + 0.5 * (problem.t1 - problem.t0)
    end = problem.solution(t1=t1)
    y = last_state(problem, [t1, problem.t0], y0=end, method=method, rtol=1e-7, atol=1e-7)
    assert relative_error(y, np.asarray(problem.y0)) < 1e-5


@pytest.mark.parametrize("method", FIXED)
def test_fixed_grid_method_converges_at_its_order(method):
    problem = PROBLEMS["sine"]
    t, truth = [problem.t0, problem.t1], problem.solution()
    errors = [
        relative_error(
            last_state(problem, t, method=method, options={"num_steps": steps}), truth
        )
        for steps in (64, 128)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(
        TABLEAUS[method].order, abs=0.2
    )


@pytest.mark.parametrize("method", ADAPTIVE)
def test_adaptive_method_converges_at_its_order(method):
    # At a tolerance that accepts everything, each output time is one step.
    problem, errors = PROBLEMS["linear"], []
    for steps in (4, 8) if method == "dop853" else (32, 64):
        t = np.linspace(problem.t0, problem.t1, steps + 1)
        y = last_state(
            problem, t, method=method, rtol=1e6, atol=1e6, options={"interpolate": False}
        )
        errors.append(relative_error(y, problem.solution()))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(
        TABLEAUS[method].order, abs=0.3
    )


def test_first_state_is_the_initial_state_and_each_time_is_met():
    problem = PROBLEMS["linear"]
    t = [0.0, 0.13, 0.7, 1.9]
    y0 = tf.constant(problem.y0, tf.float64)
    states = odeint(problem.f, y0, t, rtol=1e-9, atol=1e-9).numpy()
    assert np.array_equal(states[0], y0.numpy())
    for time, state in zip(t[1:], states[1:], strict=True):
        assert relative_error(state, problem.solution(t1=time)) < 1e-8


def test_dense_dynamics_agrees_with_dop853():
    weights, y0, f_numpy = dense_block()
    dynamics = DenseDynamics(5, dtype="float64")
    dynamics.build((), y0.shape)
    dynamics.set_weights([weights[k] for k in ("w1", "wt", "b1", "w2", "b2")])
    y = odeint(dynamics, tf.constant(y0), [0.0, 1.0], rtol=1e-9, atol=1e-9)[-1]
    problem = PROBLEMS["linear"].__class__("dense", None, f_numpy, y0, 0.0, 1.0)
    assert relative_error(y.numpy(), problem.solution()) < 1e-8


@pytest.mark.parametrize("times", [[0.0, 2.0], [0.0, 0.7, 2.0]])
def test_dormand_prince_of_tfp_interface_takes_the_steps_of_odeint(times):
    problem = PROBLEMS["linear"]
    y0 = tf.constant(problem.y0, tf.float64)
    states, info = odeint(problem.f, y0, times, rtol=1e-6, atol=1e-7, full_output=True)
    solver = DormandPrince(rtol=1e-6, atol=1e-7)
    results = solver.solve(problem.f, times[0], y0, solution_times=times[1:])
    assert np.array_equal(results.states, states[1:])
    assert int(results.diagnostics.num_ode_fn_evaluations) == int(info.nfe)
    assert float(results.solver_internal_state) == float(info.suited_step)


def test_options_may_be_an_object_or_a_dictionary():
    problem = PROBLEMS["linear"]
    y0 = tf.constant(problem.y0, tf.float64)
    options = {"num_steps": 7}
    states = [
        odeint(problem.f, y0, [0.0, 1.0], method="rk4", options=x)
        for x in (options, SolverOptions(**options))
    ]
    assert np.array_equal(*states)


def test_nested_state_is_solved_as_one_system():
    def f(t, y):
        return {"position": y["velocity"], "velocity": [-4.0 * y["position"]][0]}

    y0 = {
        "position": tf.constant([1.0], tf.float64),
        "velocity": tf.zeros([1], tf.float64),
    }
    y = odeint(f, y0, [0.0, 1.5], rtol=1e-9, atol=1e-9)
    assert y["position"][-1].numpy() == pytest.approx([np.cos(3.0)], abs=1e-7)
    assert y["velocity"][-1].numpy() == pytest.approx([-2 * np.sin(3.0)], abs=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_solved_in_float32(dtype):
    seen = []

    def f(t, y):
        seen.append((t.dtype, y.dtype))
        return -y

    y = odeint(f, tf.ones([3], dtype), [0.0, 1.0])
    assert y.dtype == dtype
    assert set(seen) == {(tf.float32, tf.float32)}
    assert np.allclose(tf.cast(y[-1], tf.float32), np.exp(-1.0), atol=4e-3)


def test_evaluations_are_counted_as_they_happen():
    calls = tf.Variable(0)

    def f(t, y):
        calls.assign_add(1)
        return -y * tf.sin(5 * t)

    y0 = tf.ones([3], tf.float64)
    _, info = odeint(f, y0, [0.0, 2.0], rtol=1e-7, atol=1e-7, full_output=True)
    assert int(info.nfe) == int(calls)
    assert int(info.nfe) == 2 + 6 * int(info.accepted + info.rejected)


def test_remembered_step_size_saves_evaluations_and_rejects_nothing():
    problem = PROBLEMS["linear"]
    y0 = tf.constant(problem.y0, tf.float64)
    _, first = odeint(problem.f, y0, [0.0, 2.0], full_output=True)
    _, second = odeint(
        problem.f, y0, [0.0, 2.0], options={"first_step": first.suited_step},
        full_output=True,
    )  # fmt: skip
    assert int(second.nfe) < int(first.nfe)
    assert int(second.rejected) == 0


@pytest.mark.parametrize("name", slow_after(1, ["sine", "exponential", "linear"]))
@pytest.mark.parametrize("method", ["bdf", "dopri5_tfp"])
def test_tfp_methods_go_forward_and_back(name, method):
    problem = PROBLEMS[name]
    t1 = problem.t0 + 0.2 * (problem.t1 - problem.t0)
    kwargs = {"method": method, "gradient": "adjoint", "rtol": 1e-7, "atol": 1e-7}
    end = last_state(problem, [problem.t0, t1], **kwargs)
    assert relative_error(end, problem.solution(t1=t1)) < 1e-4
    start = last_state(problem, [t1, problem.t0], y0=problem.solution(t1=t1), **kwargs)
    assert relative_error(start, np.asarray(problem.y0)) < 1e-2


def test_bdf_solves_robertson():
    def f_numpy(t, y):
        a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
        return np.array([-a + b, a - b - c, c])

    def f(t, y):
        a, b, c = 0.04 * y[0], 1e4 * y[1] * y[2], 3e7 * y[1] ** 2
        return tf.stack([-a + b, a - b - c, c])

    import scipy.integrate

    truth = scipy.integrate.solve_ivp(
        f_numpy, (0, 40.0), [1.0, 0, 0], method="Radau", rtol=1e-10, atol=1e-12
    ).y[:, -1]

    @tf.function  # ten times as fast as without
    def solve(y0):
        return odeint(
            f, y0, [0.0, 40.0], method="bdf", gradient="adjoint", rtol=1e-6, atol=1e-9
        )

    y = solve(tf.constant([1.0, 0, 0], tf.float64))
    assert y[-1].numpy() == pytest.approx(truth, rel=1e-3)


def test_subclass_serves_tfp_interface():
    problem = PROBLEMS["linear"]
    y0 = tf.constant(problem.y0, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(y0)
        results = DormandPrince(rtol=1e-8, atol=1e-8).solve(
            problem.f, 0.0, y0, solution_times=[1.0, 2.0]
        )
        last = results.states[-1, 0]
    assert relative_error(results.states[-1].numpy(), problem.solution()) < 1e-7
    gradient = tape.gradient(last, y0).numpy()
    step = 1e-4
    for i in range(2):
        shifted = [np.array(problem.y0) + s * step * np.eye(2)[i] for s in (1, -1)]
        high, low = (problem.solution(y0=y)[0] for y in shifted)
        assert gradient[i] == pytest.approx((high - low) / (2 * step), abs=1e-5)
