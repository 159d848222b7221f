"""The problem that `odeint` is given: checked, flat, and in the dtype to solve it in."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from node_transfer.ode.tensors import has_gradient, is_tensor, scalar


class LowRankFunction:
    """f(t, h) = inner(t, h A, *others) B + b, solved in few dimensions (`low_rank`).

    Called as any other right-hand side it is f. For times that are numbers.

    Args:
        inner: Function of the time and of h A, shape (batch, ..., m), that acts on the
            last axis and returns shape (batch, ..., n).
        into, out, bias: A, shape (d, m); B, shape (n, d); b, shape (d,).
        others: Further tensors that `inner` is given, and that gradients reach.

    Attributes:
        constants: What it wants as `odeint(..., constants=...)`.
        width, inner_widths: d, and m and n.
    """

    def __init__(self, inner: Callable, into, out, bias, others=()):
        self.inner = inner
        self.width, (inner_width, _) = into.shape[0], out.shape
        self.inner_widths = (into.shape[1], inner_width)
        self.constants = {"tensors": [into, out, bias, *others]}

    def __call__(self, t, h, tensors):
        into, out, bias, *others = tensors
        values = self.inner(t, tf.tensordot(h, into, 1), *others)
        return tf.tensordot(tf.cast(values, h.dtype), out, 1) + bias


@dataclasses.dataclass(frozen=True)
class Problem:
    """An initial value problem whose states are flat lists of tensors.

    Attributes:
        rhs: `rhs(t, y, constants) -> dy`, the right-hand side.
        y0: Initial state, of one dtype, float32 or wider.
        times: Strictly monotone, 1-D, the initial one first.
        constants: Tensors of numbers that the right-hand side is given; those of other
            kinds it has.
        time_gradient: Whether a gradient for the times may be wanted.
        low_rank: The right-hand side, where it is of that form.
    """

    rhs: Callable
    y0: list[tf.Tensor]
    times: tf.Tensor
    constants: list[tf.Tensor]
    time_gradient: bool
    low_rank: LowRankFunction | None = None

    @classmethod
    def of(cls, func: Callable, y0, t, constants: dict | None) -> "Problem":
        """The problem of `odeint(func, y0, t, constants=constants)`.

        Raises:
            ValueError: An argument is not as described there.
        """
        flat_y0 = tf.nest.flatten(y0)
        dtype = _solve_dtype(flat_y0)
        constants = {} if constants is None else constants
        if not isinstance(constants, Mapping):
            raise ValueError(
                f"constants is {constants!r}: pass a dictionary, by the names that func "
                "takes them by."
            )
        constants = tf.nest.map_structure(tf.convert_to_tensor, constants)
        flat = tf.nest.flatten(constants)
        numbers = [x for x in flat if _is_number(x)]
        times = _check_times(t, dtype)
        if times.shape[0] != 2 and any(y.shape.rank is None for y in flat_y0):
            raise ValueError(
                "y0 has a component of unknown rank: give it its shape by "
                "tf.ensure_shape(y0, ...)."
            )

        def rhs(t, y, given):
            rest = iter(given)
            filled = [next(rest) if _is_number(x) else x for x in flat]
            dy = func(
                t,
                tf.nest.pack_sequence_as(y0, y),
                **tf.nest.pack_sequence_as(constants, filled),
            )
            return _check_derivative(dy, y0, y)

        return cls(
            rhs,
            [tf.cast(y, dtype) for y in flat_y0],
            times,
            numbers,
            time_gradient=any(is_tensor(x) for x in tf.nest.flatten(t)),
            low_rank=func if isinstance(func, LowRankFunction) else None,
        )


def _solve_dtype(y0: list[tf.Tensor]) -> tf.DType:
    """The dtype to solve in: the state's, or float32 where that is narrower."""
    dtypes = {y.dtype for y in y0}
    if len(dtypes) != 1 or not y0[0].dtype.is_floating:
        names = ", ".join(sorted(dtype.name for dtype in dtypes))
        raise ValueError(
            f"y0 has dtype {names or 'none (it is empty)'}: pass real floating tensors, "
            "all of one dtype."
        )
    dtype = y0[0].dtype
    return tf.float32 if dtype.size < 4 else dtype


def _is_number(x: tf.Tensor) -> bool:
    """Whether a gradient may be asked for, if only to be 0: not of truths or strings."""
    return has_gradient(x) or x.dtype.is_integer


def _check_times(t, dtype: tf.DType) -> tf.Tensor:
    """Returns t as a strictly monotone 1-D tensor of the dtype."""
    if is_tensor(t):
        times = tf.cast(t, dtype)
    elif any(is_tensor(x) for x in tf.nest.flatten(t)):
        times = tf.stack([scalar(x, dtype) for x in t])
    else:
        times = tf.constant(np.asarray(t, dtype.as_numpy_dtype))
    if times.shape.rank != 1 or times.shape[0] == 0:
        raise ValueError(
            f"t has shape {times.shape}: pass a 1-D sequence of one or more times."
        )
    complaint = "pass finite times that strictly increase or strictly decrease."
    static = tf.get_static_value(times)
    if static is not None:
        if not np.all(np.isfinite(static)):
            raise ValueError(f"t is {static.tolist()}: {complaint}")
        change = np.diff(static)
        if not (np.all(change > 0) or np.all(change < 0)):
            raise ValueError(f"t is {static.tolist()}: {complaint}")
        return times
    change = times[1:] - times[:-1]
    monotone = tf.reduce_all(change > 0) | tf.reduce_all(change < 0)
    monotone &= tf.reduce_all(tf.math.is_finite(times))
    checks = [tf.debugging.Assert(monotone, [complaint, times])]
    if times.shape[0] is None:
        two = "pass two or more times, where their number is not known beforehand."
        checks.append(tf.debugging.Assert(tf.size(times) > 1, [two, times]))
    with tf.control_dependencies(checks):
        return tf.identity(times)


def _check_derivative(dy, structure, y: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns what func returned, flat, and shaped and typed like y."""
    if any(x is None for x in tf.nest.flatten(dy)):
        raise ValueError(
            "func returned None: have it return the derivative of the state."
        )
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
