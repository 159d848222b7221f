"""The options of a solve, checked when made."""

import dataclasses
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from node_transfer.ode.tensors import is_tensor


@dataclasses.dataclass(frozen=True)
class SolverOptions:
    """What `odeint(..., options=...)` takes; a dictionary of the same is taken, too.

    Attributes:
        first_step: Positive length of the first step (a float or a scalar tensor, in
            units of t); 0 chooses it automatically, for one more evaluation of f. So
            does `None`, except in an `ODELayer`, which takes the one it remembers.
        max_num_steps: Most steps from one output time to the next, rejected ones
            included; `None` for no limit.
        num_steps: Steps between two output times, for the methods on a fixed grid.
        interpolate: Whether states at output times within a step are interpolated
            (`True`), or every output time is stepped onto, a step each at least
            (`False`). `None` steps onto times at least four steps away and interpolates
            the others, for the methods with an interpolant: dopri5, tsit5 and bosh3.
        min_step, max_step: Bounds of the step sizes, in units of t; `None` for none. A
            step of the length `min_step` is accepted whatever its error.
        jump_times: Times, numbers within the interval, at which f jumps or has a kink.
            The solve ends a step on each and goes on with what f is after it, so that
            it costs no rejected steps. They get no gradient.
        norm: `norm(ratios) -> scalar` (with `per_sample` one number a sample, shape
            `(batch,)`), the measure of an error that is to be at most 1,
            in place of the root mean square; `ratios`, structured and shaped like the
            state, are the errors over `atol + rtol |y|`. For the adjoint's solve it is
            the larger one of that of the state and that of the adjoint.
        per_sample: Whether each sample, along the first axis of the state, has a step
            size and an error norm of its own, so that its solution does not depend on
            the others. `func` then gets times of shape `(batch, 1, ...)`, of the rank of
            the state. Each step costs an evaluation for the whole batch; samples that
            have come to the end wait. With `gradient="backprop"` and adaptive methods.
        on_failure: `"raise"`, or `"nan"` to get NaN at the output times that a solve
            cannot reach; `ODEInfo.status` tells.
        adjoint_rtol, adjoint_atol: Tolerances of the adjoint's backward solve; those
            of the forward solve unless given.
        adjoint_first_step: As `first_step`, for the adjoint's backward solve.
        adjoint_control_parameters: Whether the adjoint's steps are also chosen by the
            error of the parameters' gradient, relative to the largest cotangent. Without
            it that gradient is as exact as the solution it is an integral of lets it be.
        on_backward: Called with a `BackwardInfo` when a gradient has been computed.

    Raises:
        ValueError: A value is not as described.

    Example:

    >>> options = SolverOptions(num_steps=4)
    >>> states, info = odeint(
    ...     lambda t, y: -y, tf.ones([1]), [0.0, 1.0], method="rk4", options=options,
    ...     full_output=True,
    ... )
    >>> print(int(info.nfe), states[-1].numpy().round(4))
    16 [0.3679]
    """

    first_step: float | tf.Tensor | None = None
    max_num_steps: int | None = 1000
    num_steps: int | None = None
    interpolate: bool | None = None
    min_step: float | None = None
    max_step: float | None = None
    jump_times: tuple[float, ...] = ()
    norm: Callable | None = None
    per_sample: bool = False
    on_failure: str = "raise"
    adjoint_rtol: float | tf.Tensor | None = None
    adjoint_atol: float | tf.Tensor | None = None
    adjoint_first_step: float | tf.Tensor | None = None
    adjoint_control_parameters: bool = False
    on_backward: Callable | None = None

    def __post_init__(self):
        for name in ("first_step", "adjoint_first_step"):
            value = getattr(self, name)
            if value is None or is_tensor(value):
                continue
            if not is_number(value) or not 0 <= value < np.inf:
                raise ValueError(
                    f"{name} is {value!r}: pass a positive number, or 0 to have it "
                    "chosen."
                )
        check_choice("on_failure", self.on_failure, ("raise", "nan"))
        for name in ("max_num_steps", "num_steps"):
            value = getattr(self, name)
            if value is not None and not (
                isinstance(value, numbers.Integral) and value > 0
            ):
                raise ValueError(f"{name} is {value!r}: pass a positive integer.")
        self._check_bounds()
        for name, allowed in (
            ("interpolate", (None, True, False)),
            ("per_sample", (True, False)),
            ("adjoint_control_parameters", (True, False)),
        ):
            value = getattr(self, name)
            if not any(value is x for x in allowed):
                raise ValueError(
                    f"{name} is {value!r}: pass {' or '.join(map(str, allowed))}."
                )
        if self.norm is not None and not callable(self.norm):
            raise ValueError(f"norm is {self.norm!r}: pass a function, or None.")
        object.__setattr__(self, "jump_times", _checked_jumps(self.jump_times))

    def _check_bounds(self):
        for name in ("min_step", "max_step"):
            value = getattr(self, name)
            if value is not None and not (is_number(value) and 0 < value < np.inf):
                raise ValueError(f"{name} is {value!r}: pass a positive number, or None.")
        if None not in (self.min_step, self.max_step) and self.min_step > self.max_step:
            raise ValueError(
                f"min_step is {self.min_step} and max_step {self.max_step}: the first "
                "must be at most the second."
            )

    @classmethod
    def of(cls, options: "SolverOptions | dict | None") -> "SolverOptions":
        """The options that were given in any of the ways to give them.

        Raises:
            ValueError: An entry is unknown, or a value is not as described.
        """
        if isinstance(options, cls):
            return options
        if options is not None and not isinstance(options, Mapping):
            raise ValueError(
                f"options is {options!r}: pass a SolverOptions, or a dictionary of its "
                "attributes."
            )
        options = dict(options or {})
        if "constants" in options:
            raise ValueError(
                "constants is not an option of a solver: pass odeint(..., constants=...)."
            )
        known = [field.name for field in dataclasses.fields(cls)]
        for name in options:
            check_choice("option", name, known)
        return cls(**options)

    def given(self) -> dict[str, Any]:
        """The entries that differ from their defaults, as a plain dictionary."""
        values = {field: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            field.name: value
            for field, value in values.items()
            if is_tensor(value) or value != field.default
        }


def is_number(value) -> bool:
    """Whether a value is a real number; a string of digits is none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_choice(what: str, value, known) -> None:
    """Raises a `ValueError` for a value that is not among those known."""
    if value not in tuple(known):
        raise ValueError(f"Unknown {what} {value!r}: choose one of {', '.join(known)}.")


def _checked_jumps(jump_times) -> tuple[float, ...]:
    """Returns the times as a tuple of floats."""
    try:
        times = tuple(float(x) for x in jump_times)
    except TypeError:
        times = (np.nan,)
    if not np.all(np.isfinite(times)):
        raise ValueError(
            f"jump_times is {jump_times!r}: pass a sequence of finite numbers."
        )
    return times
