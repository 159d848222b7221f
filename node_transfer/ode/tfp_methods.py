"""Methods that TensorFlow Probability brings: BDF, and its Dormand-Prince as it comes."""

import tensorflow as tf
import tensorflow_probability as tfp

from node_transfer.ode import failure

METHODS = ("bdf", "dopri5_tfp")


def solve(method, rhs, y0, times, constants, rtol, atol, gradient, options):
    """Solves by a TFP solver; arguments as in `odeint.solve`.

    TFP goes forward in time only: to go back, the time is negated.

    Returns:
        `(states, nfe)`: for each component its values at `times[1:]`, stacked, and the
        evaluations of f.

    Raises:
        ValueError: `method="bdf"` with `gradient="backprop"`.
    """
    if method == "bdf" and gradient == "backprop":
        raise ValueError(
            "method='bdf' has the adjoint gradient only: pass gradient='adjoint'."
        )
    direction = tf.sign(times[-1] - times[0])
    names = [f"constant_{i}" for i in range(len(constants))]

    def ode_fn(s, y, **named):
        dy = rhs(direction * s, list(y), [named[name] for name in names])
        return tuple(direction * x for x in dy)

    solver_class = {"bdf": tfp.math.ode.BDF, "dopri5_tfp": tfp.math.ode.DormandPrince}
    solver = solver_class[method](
        rtol=rtol, atol=atol, max_num_steps=options.max_num_steps
    )
    problem = {
        "initial_time": direction * times[0],
        "initial_state": tuple(y0),
        "solution_times": direction * times[1:],
    }
    named_constants = dict(zip(names, constants, strict=True))
    if gradient == "backprop":
        # `solve` always has the adjoint gradient; `_solve` has TensorFlow's own.
        results = solver._solve(lambda s, y: ode_fn(s, y, **named_constants), **problem)
    else:
        results = solver.solve(ode_fn, constants=named_constants, **problem)

    nfe = tf.cast(results.diagnostics.num_ode_fn_evaluations, tf.int32)
    finite = tf.reduce_all([tf.math.is_finite(tf.reduce_sum(x)) for x in results.states])
    status = tf.where(finite, failure.RUNNING, failure.NOT_FINITE)
    stopped = tf.cast(results.diagnostics.status, tf.int32) != 0
    status = tf.where(stopped, failure.TOO_MANY_STEPS, status)
    unknown = tf.constant(float("nan"), times.dtype)
    states = failure.checked(
        list(results.states),
        status,
        (times[-1], unknown, nfe, rtol, atol),
        "forward",
        options.on_failure,
    )
    return states, nfe
