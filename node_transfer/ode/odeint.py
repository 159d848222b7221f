"""The entry point: solve an initial value problem, differentiably."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from node_transfer.ode.butcher_tableau import ButcherTableau
from node_transfer.ode.solve import solve
from node_transfer.ode.solver import Solver, SolverOptions
from node_transfer.ode.tensors import check_dense, is_tensor


def odeint(
    func: Callable,
    y0,
    t,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    method: str | ButcherTableau = "dopri5",
    gradient: str = "backprop",
    options: SolverOptions | dict | None = None,
    constants: dict | None = None,
    full_output: bool = False,
):
    """Solves `dy/dt = func(t, y)` from `y(t[0]) = y0`, differentiably.

    Gradients reach `y0`, the times `t` (where it is a tensor or variable; not for TFP's
    own methods), every trainable variable that `func` reads, and the `constants`. They
    are first derivatives; `gradient="autodiff"` has higher ones, and forward mode, too.

    Args:
        func: `func(t, y, **constants)` returns dy/dt, structured and shaped like `y`;
            `t` is a scalar tensor of `y`'s dtype.
        y0: Initial state: a tensor, or a nested structure of tensors of one floating
            dtype. Half precision is solved in float32 and returned in half precision.
        t: Times, 1-D, increasing or decreasing; as numbers they may repeat, as a tensor
            not. The methods with an interpolant step onto times that are four steps or
            more from the one before and onto the last, and interpolate the others, at
            no cost; the other methods step onto each. See `options["interpolate"]`.
        rtol, atol: Tolerances: the root mean square of `error / (atol + rtol |y|)` over
            the whole state, estimated, is at most 1 in each step. A mean over a batch
            hides a sample that is harder than the others: see `options["per_sample"]`.
        method: `"dopri5"`, `"tsit5"` (order 5), `"dop853"` (8, for tolerances below about
            1e-7) and `"bosh3"` (3) choose their steps; `"euler"`, `"midpoint"`,
            `"heun"`, `"rk4"` take `options["num_steps"]` equal steps;
            `"bdf"`, TensorFlow Probability's, is for stiff problems of few dimensions;
            `"dopri5_tfp"` is its Dormand-Prince as it comes, for comparison. Or a
            `ButcherTableau`, or the name of one that was added to `TABLEAUS`.
        gradient: `"backprop"`: the exact gradient of the steps taken; memory grows by
            one state a step. `"adjoint"`: Chen et al. (2018); constant memory, exact up
            to the tolerance, which is relative to the largest cotangent and controls
            state and adjoint (and the parameters' gradient with
            `options["adjoint_control_parameters"]`). (So in a `tf.function`, as in
            `fit`; eagerly, TensorFlow's tape keeps what it sees of the forward solve as
            well.) Both evaluate `func` again at the same states: it must be
            deterministic. `"autodiff"`: TensorFlow's own, through every operation of the
            solve; memory grows by all stages of all tries, and it can be differentiated
            again. In a graph, its gradient of variables is NaN where a try met a value
            that is not finite. `tf.vectorized_map` takes any on a fixed grid, and
            `"adjoint"` or `"autodiff"` with two times. XLA
            (`jit_compile=True`) takes all, with memory for `max_num_steps` steps, but
            no gradient of `per_sample`.
        options: A `SolverOptions`, or a dictionary of its attributes.
        constants: Dictionary of tensors, passed to `func` by name. Gradients reach the
            tensors passed here. They do not reach tensors that `func` closes over, which
            are refused where a tape watches them; a `tf.function` that is differentiated
            from outside warns.
        full_output: Whether to return `(states, ODEInfo)`.

    Returns:
        The states at `t`, structured like `y0`, each stacked on a new first axis, so
        that `states[0] == y0`.

    Raises:
        ValueError: An argument is not as described.
        ODESolveError: The solve could not reach its end: too many steps, step size
            underflow, or non-finite values. Inside a `tf.function` this is a
            `tf.errors.InvalidArgumentError` with the same message.

    Example:

    >>> rate = tf.Variable(2.0)
    >>> with tf.GradientTape() as tape:
    ...     states = odeint(lambda t, y: -rate * y, tf.ones([3]), [0.0, 0.5, 1.0])
    ...     last = tf.reduce_sum(states[-1])
    >>> print(states.shape, states[-1].numpy().round(4))  # exp(-2)
    (3, 3) [0.1353 0.1353 0.1353]
    >>> print(tape.gradient(last, rate).numpy().round(3))  # -3 exp(-2)
    -0.406

    Reference: Chen, Rubanova, Bettencourt & Duvenaud (2018), Neural Ordinary
    Differential Equations, arXiv:1806.07366.
    """
    for x in tf.nest.flatten(y0):
        check_dense(x, "y0 is, or has,")
    y0 = tf.nest.map_structure(tf.convert_to_tensor, y0)
    solver = Solver(rtol, atol, method, gradient, SolverOptions.of(options))
    t, rows = _without_repeats(t)
    outputs, info = solve(func, y0, t, solver, constants)
    states = tf.nest.map_structure(
        lambda first, rest: tf.concat([first[None], rest], axis=0), y0, outputs
    )
    if rows is not None:
        states = tf.nest.map_structure(lambda x: tf.gather(x, rows), states)
    return (states, info) if full_output else states


def _without_repeats(t):
    """Returns times of which none follows itself, and which of them each one was.

    The second is `None` where nothing was taken out, as for a tensor.
    """
    if any(is_tensor(x) for x in tf.nest.flatten(t)):
        return t, None
    times = np.asarray(t)
    if times.ndim != 1 or len(times) == 0:
        return t, None  # which `Problem` refuses
    new = np.concatenate([[True], times[1:] != times[:-1]])
    return (t, None) if new.all() else (times[new], np.cumsum(new) - 1)
