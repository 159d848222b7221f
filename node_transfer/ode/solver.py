"""How a problem is solved: everything that `odeint` takes beside the problem itself."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import cast

import numpy as np
import tensorflow as tf

from node_transfer.ode.butcher_tableau import ButcherTableau
from node_transfer.ode.loop_state import StepSettings
from node_transfer.ode.methods import (
    GRADIENTS,
    METHODS,
    TFP_METHODS,
    fixed_grid_methods,
)
from node_transfer.ode.solver_options import SolverOptions, check_choice, is_number
from node_transfer.ode.tableaus import TABLEAUS
from node_transfer.ode.tensors import is_tensor

_OPTIONS_OF_TFP_METHODS = ("max_num_steps", "on_failure")


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
        check_choice("gradient", self.gradient, GRADIENTS)
        _check_tolerances(self.rtol, self.atol)
        if self.tableau is None:
            self._check_tfp_method()
        else:
            self._check_num_steps()
            self._check_options_of_steps()
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

    def _check_options_of_steps(self):
        name, options = self.tableau.name, self.options
        if options.interpolate and self.tableau.interpolant is None:
            known = [n for n, tableau in TABLEAUS.items() if tableau.interpolant]
            raise ValueError(
                f"method={name!r} has no interpolant: leave interpolate out, or choose "
                f"one of {', '.join(known)}."
            )
        if not self.tableau.adaptive:
            given = options.given()
            for option in ("min_step", "max_step", "norm", "per_sample"):
                if option in given:
                    raise ValueError(
                        f"method={name!r} runs on a fixed grid and has no option "
                        f"{option!r}: leave it out, or choose a method that chooses its "
                        "steps."
                    )
        if options.per_sample and (self.gradient == "adjoint" or options.interpolate):
            raise ValueError(
                "per_sample steps onto each output time and has no adjoint: pass "
                "gradient='backprop', and leave interpolate out."
            )

    @property
    def tableau(self) -> ButcherTableau | None:
        """The method's tableau; `None` for TensorFlow Probability's methods."""
        return tableau_of(self.method)

    @property
    def steps_tableau(self) -> ButcherTableau:
        """The same, of a solver whose steps are taken by the stepping loop."""
        return cast(ButcherTableau, self.tableau)

    def with_norm_of(self, structure) -> "Solver":
        """This solver with a norm that takes the flat list of a structured state."""
        norm = cast(Callable, self.options.norm)
        samples = tf.nest.flatten(structure)[0].shape[:1]
        shape = samples if self.options.per_sample else tf.TensorShape([])

        def flat_norm(ratios: list) -> tf.Tensor:
            value = norm(tf.nest.pack_sequence_as(structure, ratios))
            return _of_shape(shape, value, ratios[0].dtype)

        options = dataclasses.replace(self.options, norm=flat_norm)
        return dataclasses.replace(self, options=options)

    @property
    def forward(self) -> StepSettings:
        """How the stepping loop solves the problem itself."""
        names = [
            "max_num_steps", "num_steps", "on_failure", "interpolate",
            "min_step", "max_step", "norm",
        ]  # fmt: skip
        chosen = {name: getattr(self.options, name) for name in names}
        return StepSettings(self.steps_tableau, self.rtol, self.atol, **chosen)

    @property
    def backward(self) -> StepSettings:
        """How the stepping loop solves the adjoint system."""
        options, forward = self.options, self.forward
        rtol, atol = options.adjoint_rtol, options.adjoint_atol
        return dataclasses.replace(
            forward,
            rtol=forward.rtol if rtol is None else rtol,
            atol=forward.atol if atol is None else atol,
            controls_quadrature=options.adjoint_control_parameters,
        )


def _of_shape(shape: tf.TensorShape, value, dtype: tf.DType) -> tf.Tensor:
    """What a norm of the user's returned, in the dtype of the errors it was given.

    Raises:
        ValueError: It is not one number, nor, where that is the shape, one a sample.
    """
    wanted = "one number" if shape.rank == 0 else "one number a sample, shape (batch,)"
    given = "None" if value is None else f"a {type(value).__name__}"
    with contextlib.suppress(TypeError, ValueError, tf.errors.InvalidArgumentError):
        tensor = tf.convert_to_tensor(value, dtype_hint=dtype)
        number = tensor.dtype.is_floating or tensor.dtype.is_integer
        if number and tensor.shape.is_compatible_with(shape):
            return tf.cast(tensor, dtype)
        given = f"a tensor of {tensor.dtype.name}, shape {tensor.shape},"
    raise ValueError(
        f"norm returned {given} and is to return {wanted}: the root mean square of what "
        "it is given, for instance."
    )


def tableau_of(method: str | ButcherTableau) -> ButcherTableau | None:
    """The tableau of a method; `None` for TensorFlow Probability's methods.

    Raises:
        ValueError: There is no such method.
    """
    if isinstance(method, ButcherTableau):
        return method
    check_choice("method", method, METHODS)
    return TABLEAUS.get(method)


def _check_tolerances(rtol, atol, prefix=""):
    for name, value in ((f"{prefix}rtol", rtol), (f"{prefix}atol", atol)):
        if is_tensor(value):
            continue
        if np.ndim(value):
            raise ValueError(
                f"{name} has shape {np.shape(value)}: pass one number for the whole "
                "state, and scale the state where its components want different ones."
            )
        if not is_number(value) or not 0 <= value < np.inf:
            raise ValueError(
                f"{name} is {value!r}: pass a positive number, such as 1e-5."
            )
    if not is_tensor(rtol) and not is_tensor(atol) and rtol == atol == 0:
        raise ValueError(
            f"{prefix}rtol and {prefix}atol are both 0: make one of them positive."
        )
