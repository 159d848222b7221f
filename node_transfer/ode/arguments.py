"""What `odeint` takes: its options, and the checks of what it is given."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from node_transfer.ode import tfp_methods
from node_transfer.ode.stepping import scalar
from node_transfer.ode.tableaus import TABLEAUS

METHODS = (*TABLEAUS, *tfp_methods.METHODS)
GRADIENTS = ("backprop", "adjoint")


@dataclasses.dataclass(frozen=True)
class SolverOptions:
    """What `odeint(..., options={...})` takes; each entry is optional.

    Attributes:
        first_step: Positive length of the first step (a float or a scalar tensor, in
            units of t); 0 chooses it automatically, for one more evaluation of f.
        max_num_steps: Most steps of one solve, rejected ones included.
        num_steps: Steps between two output times, for the methods on a fixed grid.
        constants: Dictionary of tensors, passed to `func` by name. Gradients reach the
            tensors passed here; they do not reach tensors that `func` closes over.
        on_failure: `"raise"`, or `"nan"` to get NaN where a solve cannot go on.
        adjoint_rtol, adjoint_atol: Tolerances of the adjoint's backward solve; those
            of the forward solve unless given.
        adjoint_first_step: As `first_step`, for the adjoint's backward solve.
        on_backward: Called with a `BackwardInfo` when a gradient has been computed.
    """

    first_step: Any = 0.0
    max_num_steps: int = 1000
    num_steps: int | None = None
    constants: dict | None = None
    on_failure: str = "raise"
    adjoint_rtol: float | None = None
    adjoint_atol: float | None = None
    adjoint_first_step: Any = 0.0
    on_backward: Callable | None = None


def check_arguments(
    rtol, atol, method: str, gradient: str, options: dict | None
) -> SolverOptions:
    """Returns the options as an object.

    Raises:
        ValueError: `odeint` cannot take these arguments.
    """
    check_choice("gradient", gradient, GRADIENTS)
    check_tolerances(rtol, atol)
    options = _check_options(method, options)
    if method == "bdf" and gradient == "backprop":
        raise ValueError(
            "method='bdf' has the adjoint gradient only: pass gradient='adjoint'."
        )
    check_tolerances(
        rtol if options.adjoint_rtol is None else options.adjoint_rtol,
        atol if options.adjoint_atol is None else options.adjoint_atol,
        prefix="adjoint_",
    )
    return options


def _check_options(method: str, options: dict | None) -> SolverOptions:
    check_choice("method", method, METHODS)
    known = [field.name for field in dataclasses.fields(SolverOptions)]
    for name in options or {}:
        check_choice("option", name, known)
    for name in options or {}:
        if method in tfp_methods.METHODS and name not in tfp_methods.OPTIONS:
            raise ValueError(
                f"method={method!r} has no option {name!r}: leave it out, or choose one "
                f"of {', '.join(TABLEAUS)}."
            )
    checked = SolverOptions(**(options or {}))
    for name in ("first_step", "adjoint_first_step"):
        value = getattr(checked, name)
        if not is_tensor(value) and not 0 <= value < np.inf:
            raise ValueError(
                f"{name} is {value}: pass a positive number, or 0 to have it chosen."
            )
    check_choice("on_failure", checked.on_failure, ("raise", "nan"))
    if checked.max_num_steps < 1:
        raise ValueError(
            f"max_num_steps is {checked.max_num_steps}: pass a positive integer."
        )
    fixed_grid = method in TABLEAUS and not TABLEAUS[method].adaptive
    if fixed_grid and not (checked.num_steps and checked.num_steps >= 1):
        raise ValueError(
            f"method={method!r} runs on a fixed grid and num_steps is "
            f"{checked.num_steps}: pass options={{'num_steps': N}} with N >= 1."
        )
    if checked.num_steps is not None and not fixed_grid:
        raise ValueError(
            f"method={method!r} chooses its own steps: leave num_steps out, or choose "
            "one of euler, midpoint, heun, rk4."
        )
    return checked


def check_choice(what: str, value, known):
    if value not in known:
        raise ValueError(f"Unknown {what} {value!r}: choose one of {', '.join(known)}.")


def is_tensor(x) -> bool:
    """Whether x is a tensor or a variable, of which a gradient may be wanted."""
    return tf.is_tensor(x) or isinstance(x, tf.Variable)


def check_tolerances(rtol, atol, prefix=""):
    for name, value in ((f"{prefix}rtol", rtol), (f"{prefix}atol", atol)):
        if not tf.is_tensor(value) and not 0 <= value < np.inf:
            raise ValueError(f"{name} is {value}: pass a positive number, such as 1e-5.")
    if not tf.is_tensor(rtol) and not tf.is_tensor(atol) and rtol == atol == 0:
        raise ValueError(
            f"{prefix}rtol and {prefix}atol are both 0: make one of them positive."
        )


def state_dtypes(y0: list[tf.Tensor]):
    """Returns the state's dtype and the dtype to solve in."""
    dtypes = {y.dtype for y in y0}
    if len(dtypes) != 1 or not y0[0].dtype.is_floating:
        names = ", ".join(sorted(dtype.name for dtype in dtypes))
        raise ValueError(
            f"y0 has dtype {names or 'none (it is empty)'}: pass real floating tensors, "
            "all of one dtype."
        )
    dtype = y0[0].dtype
    return dtype, tf.float32 if dtype.size < 4 else dtype


def check_times(t, dtype: tf.DType) -> tf.Tensor:
    """Returns t as a strictly monotone 1-D tensor of the dtype."""
    if is_tensor(t):
        times = tf.cast(t, dtype)
    elif any(is_tensor(x) for x in tf.nest.flatten(t)):
        times = tf.stack([scalar(x, dtype) for x in t])
    else:
        times = tf.constant(np.asarray(t, dtype.as_numpy_dtype))
    if times.shape.rank != 1 or (times.shape[0] is not None and times.shape[0] < 2):
        raise ValueError(
            f"t has shape {times.shape}: pass a 1-D sequence of two or more times."
        )
    complaint = "pass times that strictly increase or strictly decrease."
    static = tf.get_static_value(times)
    if static is not None:
        change = np.diff(static)
        if not (np.all(change > 0) or np.all(change < 0)):
            raise ValueError(f"t is {static.tolist()}: {complaint}")
        return times
    change = times[1:] - times[:-1]
    monotone = tf.reduce_all(change > 0) | tf.reduce_all(change < 0)
    with tf.control_dependencies([tf.debugging.Assert(monotone, [complaint, times])]):
        return tf.identity(times)


def check_derivative(dy, structure, y: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns what func returned, flat, and shaped and typed like y."""
    try:
        tf.nest.assert_same_structure(structure, dy)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"func returned a structure other than that of y0: {error}"
        ) from None
    checked = []
    for component, x in zip(tf.nest.flatten(dy), y, strict=True):
        component = tf.convert_to_tensor(component)
        if not component.shape.is_compatible_with(x.shape):
            raise ValueError(
                f"func returned shape {component.shape} for a state of shape {x.shape}: "
                "the derivative must be shaped like the state."
            )
        component = tf.cast(component, x.dtype)
        component.set_shape(x.shape)
        checked.append(component)
    return checked
