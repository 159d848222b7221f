"""Methods that TensorFlow Probability brings: BDF, and its Dormand-Prince as it comes."""

import tensorflow as tf
import tensorflow_probability as tfp

from node_transfer.ode import failure
from node_transfer.ode.problem import Problem
from node_transfer.ode.solver import Solver
from node_transfer.ode.tensors import all_finite


class BDF(tfp.math.ode.BDF):
    """TFP's BDF, which checks that it came to its end, forward and adjoint alike.

    (The class it extends returns where it stopped, with a status; its adjoint drops the
    status.)
    """

    def __init__(self, on_failure, **kwargs):
        super().__init__(**kwargs)
        self._on_failure = on_failure

    def _solve(self, *args, **kwargs):
        results = super()._solve(*args, **kwargs)
        states = tf.nest.flatten(results.states)
        stopped = tf.cast(results.diagnostics.status, tf.int32) != 0
        status = tf.where(stopped, failure.TOO_MANY_STEPS, failure.RUNNING)
        status = tf.where(all_finite(states), status, failure.NOT_FINITE)
        size = results.solver_internal_state.step_size
        nfe = results.diagnostics.num_ode_fn_evaluations
        states = failure.checked(
            states,
            status,
            (results.times[-1], size, nfe, self._rtol, self._atol),
            "bdf",
            self._on_failure,
        )
        return results._replace(states=tf.nest.pack_sequence_as(results.states, states))


def solve(solver: Solver, problem: Problem):
    """Solves by the TFP solver that `solver.method` names.

    TFP goes forward in time only: to go back, the time is negated.

    Returns:
        `(states, nfe)`: for each component its values at `times[1:]`, stacked, and the
        evaluations of f.
    """
    times = problem.times
    direction = tf.sign(times[-1] - times[0])
    names = [f"constant_{i}" for i in range(len(problem.constants))]

    def ode_fn(s, y, **named):
        dy = problem.rhs(direction * s, list(y), [named[name] for name in names])
        return tuple(direction * x for x in dy)

    settings = {
        "rtol": solver.rtol,
        "atol": solver.atol,
        "max_num_steps": solver.options.max_num_steps,
    }
    if solver.method == "bdf":
        theirs = BDF(solver.options.on_failure, **settings)
    else:
        theirs = tfp.math.ode.DormandPrince(**settings)
    given = {
        "initial_time": direction * times[0],
        "initial_state": tuple(problem.y0),
        "solution_times": direction * times[1:],
    }
    constants = dict(zip(names, problem.constants, strict=True))
    if solver.gradient == "backprop":
        # `solve` always has the adjoint gradient; `_solve` has TensorFlow's own.
        results = theirs._solve(lambda s, y: ode_fn(s, y, **constants), **given)
    else:
        results = theirs.solve(ode_fn, constants=constants, **given)
    nfe = tf.cast(results.diagnostics.num_ode_fn_evaluations, tf.int32)
    return list(results.states), nfe
