"""How a problem is solved: everything that `odeint` takes beside the problem itself."""

import dataclasses
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from node_transfer.ode.butcher_tableau import ButcherTableau
from node_transfer.ode.methods import (
    GRADIENTS,
    METHODS,
    TFP_METHODS,
    fixed_grid_methods,
)
from node_transfer.ode.stepping import StepSettings
from node_transfer.ode.tableaus import TABLEAUS
from node_transfer.ode.tensors import is_tensor

_OPTIONS_OF_TFP_METHODS = ("max_num_steps", "on_failure")


@dataclasses.dataclass(frozen=True)
class SolverOptions:
    """What `odeint(..., options=...)` takes; a dictionary of the same is taken, too.

    Attributes:
        first_step: Positive length of the first step (a float or a scalar tensor, in
            units of t); 0 chooses it automatically, for one more evaluation of f. So
            does `None`, except in an `ODELayer`, which takes the one it remembers.
        max_num_steps: Most steps from one output time to the next, rejected ones
            included.
        num_steps: Steps between two output times, for the methods on a fixed grid.
        on_failure: `"raise"`, or `"nan"` to get NaN at the output times that a solve
            cannot reach; `ODEInfo.status` tells.
        adjoint_rtol, adjoint_atol: Tolerances of the adjoint's backward solve; those
            of the forward solve unless given.
        adjoint_first_step: As `first_step`, for the adjoint's backward solve.
        on_backward: Called with a `BackwardInfo` when a gradient has been computed.

    Raises:
        ValueError: A value is not as described.
    """

    first_step: float | tf.Tensor | None = None
    max_num_steps: int = 1000
    num_steps: int | None = None
    on_failure: str = "raise"
    adjoint_rtol: float | tf.Tensor | None = None
    adjoint_atol: float | tf.Tensor | None = None
    adjoint_first_step: float | tf.Tensor | None = None
    on_backward: Callable | None = None

    def __post_init__(self):
        for name in ("first_step", "adjoint_first_step"):
            value = getattr(self, name)
            if value is None or is_tensor(value):
                continue
            if not _is_number(value) or not 0 <= value < np.inf:
                raise ValueError(
                    f"{name} is {value!r}: pass a positive number, or 0 to have it "
                    "chosen."
                )
        _check_choice("on_failure", self.on_failure, ("raise", "nan"))
        for name in ("max_num_steps", "num_steps"):
            value = getattr(self, name)
            if name == "num_steps" and value is None:
                continue
            if not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(f"{name} is {value!r}: pass a positive integer.")

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
            _check_choice("option", name, known)
        return cls(**options)

    def given(self) -> dict[str, Any]:
        """The entries that differ from their defaults, as a plain dictionary."""
        values = {field: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {
            field.name: value
            for field, value in values.items()
            if is_tensor(value) or value != field.default
        }


@dataclasses.dataclass(frozen=True)
class Solver:
    """A method with its tolerances, gradient and options; it checks them when made.

    Attributes:
        method: A name among `methods.METHODS`, or a tableau.
        gradient: A name among `methods.GRADIENTS`.
        rtol, atol: Tolerances, floats or scalar tensors.
        options: A `SolverOptions`; made from a dictionary or `None`.

    Raises:
        ValueError: `odeint` cannot take these arguments.
    """

    rtol: float | tf.Tensor
    atol: float | tf.Tensor
    method: str | ButcherTableau
    gradient: str
    options: SolverOptions

    def __post_init__(self):
        object.__setattr__(self, "options", SolverOptions.of(self.options))
        _check_choice("gradient", self.gradient, GRADIENTS)
        _check_tolerances(self.rtol, self.atol)
        if self.tableau is None:
            self._check_tfp_method()
        else:
            self._check_num_steps()
            backward = self.backward
            _check_tolerances(backward.rtol, backward.atol, prefix="adjoint_")

    def _check_tfp_method(self):
        method, gradients = self.method, TFP_METHODS[self.method]
        if self.gradient not in gradients:
            raise ValueError(
                f"method={method!r} has the {' or '.join(gradients)} gradient only: pass "
                f"gradient={gradients[0]!r}."
            )
        for name in self.options.given():
            if name not in _OPTIONS_OF_TFP_METHODS:
                raise ValueError(
                    f"method={method!r} has no option {name!r}: leave it out, or choose "
                    f"one of {', '.join(TABLEAUS)}."
                )

    def _check_num_steps(self):
        name, num_steps = self.tableau.name, self.options.num_steps
        if self.tableau.adaptive and num_steps is not None:
            raise ValueError(
                f"method={name!r} chooses its own steps: leave num_steps out, or choose "
                f"one of {', '.join(fixed_grid_methods())}."
            )
        if not self.tableau.adaptive and num_steps is None:
            raise ValueError(
                f"method={name!r} runs on a fixed grid and num_steps is None: pass "
                "options={'num_steps': N} with N >= 1."
            )

    @property
    def tableau(self) -> ButcherTableau | None:
        """The method's tableau; `None` for TensorFlow Probability's methods."""
        return tableau_of(self.method)

    @property
    def forward(self) -> StepSettings:
        """How the stepping loop solves the problem itself."""
        options = self.options
        return StepSettings(
            self.tableau,
            self.rtol,
            self.atol,
            options.max_num_steps,
            options.num_steps,
            options.on_failure,
        )

    @property
    def backward(self) -> StepSettings:
        """How the stepping loop solves the adjoint system."""
        options, forward = self.options, self.forward
        rtol, atol = options.adjoint_rtol, options.adjoint_atol
        return dataclasses.replace(
            forward,
            rtol=forward.rtol if rtol is None else rtol,
            atol=forward.atol if atol is None else atol,
        )


def tableau_of(method: str | ButcherTableau) -> ButcherTableau | None:
    """The tableau of a method; `None` for TensorFlow Probability's methods.

    Raises:
        ValueError: There is no such method.
    """
    if isinstance(method, ButcherTableau):
        return method
    _check_choice("method", method, METHODS)
    return TABLEAUS.get(method)


def _is_number(value) -> bool:
    """Whether a value is a real number; a string of digits is none."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _check_choice(what: str, value, known) -> None:
    """Raises a `ValueError` for a value that is not among those known."""
    if value not in tuple(known):
        raise ValueError(f"Unknown {what} {value!r}: choose one of {', '.join(known)}.")


def _check_tolerances(rtol, atol, prefix=""):
    for name, value in ((f"{prefix}rtol", rtol), (f"{prefix}atol", atol)):
        if is_tensor(value):
            continue
        if np.ndim(value):
            raise ValueError(
                f"{name} has shape {np.shape(value)}: pass one number for the whole "
                "state, and scale the state where its components want different ones."
            )
        if not _is_number(value) or not 0 <= value < np.inf:
            raise ValueError(
                f"{name} is {value!r}: pass a positive number, such as 1e-5."
            )
    if not is_tensor(rtol) and not is_tensor(atol) and rtol == atol == 0:
        raise ValueError(
            f"{prefix}rtol and {prefix}atol are both 0: make one of them positive."
        )
