"""The names of methods and of gradients, in one place. Imports no TensorFlow."""

import collections
import dataclasses
import importlib
from collections.abc import Callable, Mapping
from typing import Any

from node_transfer.ode.tableaus import TABLEAUS

# TensorFlow Probability's methods, with the gradients that each one has.
TFP_METHODS = {"bdf": ("adjoint",), "dopri5_tfp": ("backprop", "adjoint")}

# A view, not a copy: a tableau that is added to `TABLEAUS` is a method from then on.
METHODS: Mapping[str, Any] = collections.ChainMap(TFP_METHODS, TABLEAUS)


@dataclasses.dataclass(frozen=True)
class GradientMethod:
    """A way to differentiate a solve.

    Attributes:
        module: The module whose `gradient` does it, imported when first used; `None`
            leaves it to TensorFlow.
        records_steps: Whether the forward solve must keep its accepted steps.
    """

    module: str | None
    records_steps: bool

    def load(self) -> Callable:
        """`gradient(solver, solved, output_bars, sources) -> gradient.Gradient`."""
        return importlib.import_module(str(self.module)).gradient


GRADIENTS = {
    "backprop": GradientMethod("node_transfer.ode.backprop", records_steps=True),
    "adjoint": GradientMethod("node_transfer.ode.adjoint", records_steps=False),
    "autodiff": GradientMethod(None, records_steps=False),
}


def fixed_grid_methods() -> list[str]:
    """Names of the methods that take a given number of equal steps."""
    return [name for name, tableau in TABLEAUS.items() if not tableau.adaptive]
