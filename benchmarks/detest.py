"""How many evaluations does DETEST take, and how exact is what they give?

    python -m benchmarks.detest --methods=dopri5,tsit5

Ours, SciPy's of the same orders, and torchdiffeq's and stock TensorFlow Probability's
where they are installed, at three tolerances, in float64. The errors are those at t = 20
against DOP853 at 1e-13, over the tolerance (root mean square of error / (tol + tol |y|)).
Evaluations are counted, so nothing here depends on the machine.
"""

import numpy as np
import scipy.integrate
import tensorflow as tf
import tensorflow_probability as tfp
from absl import app, flags

from benchmarks import tables, timing
from benchmarks.detest_problems import PROBLEMS, T_END, Problem
from node_transfer import odeint

TOLERANCES = (1e-3, 1e-6, 1e-9)
MAX_STEPS = 100_000

flags.DEFINE_list("methods", ["dopri5", "tsit5"], "Methods of odeint.")


def reference(problem: Problem) -> np.ndarray:
    """The state at the end, by SciPy's DOP853 at 1e-13."""
    return by_scipy("DOP853")(problem, 1e-13)[1]


def by_scipy(method: str):
    """Returns a solver: from a problem and a tolerance to (evaluations, last state)."""

    def solve(problem, tolerance):
        result = scipy.integrate.solve_ivp(
            lambda t, y: problem.f(np, t, y),
            (0, T_END),
            problem.y0,
            method=method,
            rtol=tolerance,
            atol=tolerance,
        )
        return result.nfev, result.y[:, -1]

    return solve


def by_odeint(method: str):
    """As `by_scipy`, ours."""

    def solve(problem, tolerance):
        @tf.function(autograph=False)
        def last_state():
            states, info = odeint(
                lambda t, y: problem.f(tf.experimental.numpy, t, y),
                tf.constant(problem.y0, tf.float64),
                [0.0, T_END],
                rtol=tolerance,
                atol=tolerance,
                method=method,
                options={"max_num_steps": MAX_STEPS},
                full_output=True,
            )
            return states[-1], info.nfe

        state, nfe = last_state()
        return int(nfe), state.numpy()

    return solve


def by_tfp(problem, tolerance):
    """As `by_scipy`, TensorFlow Probability's Dormand-Prince as it comes."""

    @tf.function(autograph=False)
    def last_state():
        solver = tfp.math.ode.DormandPrince(tolerance, tolerance, max_num_steps=MAX_STEPS)
        results = solver.solve(
            lambda t, y: problem.f(tf.experimental.numpy, t, y),
            tf.constant(0.0, tf.float64),
            tf.constant(problem.y0, tf.float64),
            tf.constant([T_END], tf.float64),
        )
        return results.states[-1], results.diagnostics.num_ode_fn_evaluations

    state, nfe = last_state()
    return int(nfe), state.numpy()


def by_torchdiffeq():
    """As `by_scipy`, torchdiffeq's dopri5; `None` where it is not installed."""
    try:
        import torch
        import torchdiffeq
    except ImportError:
        return None

    def solve(problem, tolerance):
        count = 0

        def f(t, y):
            nonlocal count
            count += 1
            return torch.as_tensor(problem.f(np, t.numpy(), y.numpy()))

        with torch.no_grad():
            states = torchdiffeq.odeint(
                f,
                torch.tensor(problem.y0, dtype=torch.float64),
                torch.tensor([0.0, T_END], dtype=torch.float64),
                rtol=tolerance,
                atol=tolerance,
            )
        return count, states[-1].numpy()

    return solve


def measure(solvers: dict, tolerances=TOLERANCES) -> list[dict]:
    """Returns a row for each solver, tolerance and problem."""
    rows = []
    for name, problem in PROBLEMS.items():
        exact = reference(problem)
        for solver, solve in solvers.items():
            for tolerance in tolerances:
                nfe, state = solve(problem, tolerance)
                errors = (state - exact) / (tolerance + tolerance * np.abs(exact))
                error = float(np.sqrt(np.mean(np.square(errors))))
                rows.append(
                    {
                        "problem": name,
                        "solver": solver,
                        "tolerance": tolerance,
                        "nfe": nfe,
                        "error_over_tolerance": error,
                    }
                )
    return rows


def main(_):
    solvers = {method: by_odeint(method) for method in flags.FLAGS.methods}
    solvers |= {f"scipy {name}": by_scipy(name) for name in ("RK45", "DOP853")}
    solvers |= {"tfp": by_tfp}
    if torchdiffeq := by_torchdiffeq():
        solvers["torchdiffeq dopri5"] = torchdiffeq
    rows = measure(solvers)
    print(f"{tables.detest(rows)}\n\n{timing.write('detest', rows, quick=False)}")


if __name__ == "__main__":
    app.run(main)
