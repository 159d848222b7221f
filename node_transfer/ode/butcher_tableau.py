"""An explicit Runge-Kutta method as data: its Butcher tableau. Imports no TensorFlow."""

import dataclasses
from typing import Any

import numpy as np

from node_transfer.ode.order_conditions import first_violation

# Published coefficients are good to about 15 digits; a wrong one shows long before this.
_TOLERANCE = 1e-10


@dataclasses.dataclass(frozen=True)
class ButcherTableau:
    """Coefficients of an explicit Runge-Kutta method.

    Stage i evaluates `k_i = f(t + c_i dt, y + dt sum_j a_ij k_j)`; the step ends on
    `y + dt sum_i b_i k_i` and, where the method has an embedded partner, its error
    is estimated by `dt sum_i error_i k_i`.

    It checks itself when made. Pass it as `odeint(..., method=tableau)`, or give it a
    name there for good: `TABLEAUS[tableau.name] = tableau`.

    Attributes:
        name: The method's name in `odeint(..., method=name)`.
        order: Order of the solution that is carried forward, 1 or more.
        c: Nodes, one a stage; `c[0] == 0`.
        a: Stage weights: row i has i entries.
        b: Weights of the solution.
        error: `b` minus the weights of the embedded solution, or `None` for a method
            that runs on a fixed grid. The embedded solution is of order `order - 1`.
        reference: Where the coefficients were published.

    Raises:
        ValueError: The shapes do not fit, a row of `a` does not sum to its node, or the
            solution is not of its order, or the embedded one not of the order below.
    """

    name: str
    order: int
    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    error: tuple[float, ...] | None
    reference: str

    def __post_init__(self):
        try:
            numbers = {
                "c": _floats(self.c),
                "a": tuple(_floats(row) for row in self.a),
                "b": _floats(self.b),
                "error": None if self.error is None else _floats(self.error),
            }
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self._title}: c, a, b and error must be sequences of numbers, and a "
                f"one of rows ({error})."
            ) from error
        for name, value in numbers.items():
            object.__setattr__(self, name, value)
        self._check_shapes()
        self._check_nodes()
        self._check_order("a solution (b)", self.b, self.order)
        if self.error is not None:
            self._check_error()

    @property
    def _title(self) -> str:
        return f"The tableau {self.name!r} is no Runge-Kutta method"

    def _check_shapes(self):
        if not isinstance(self.order, int) or self.order < 1:
            raise ValueError(
                f"{self._title}: order is {self.order!r}, and must be a positive integer."
            )
        stages = self.num_stages
        if stages == 0:
            raise ValueError(f"{self._title}: c is empty, and must have a node a stage.")
        for name in ("a", "b", "error"):
            entries = getattr(self, name)
            if entries is not None and len(entries) != stages:
                raise ValueError(
                    f"{self._title}: {name} has {len(entries)} entries and c has "
                    f"{stages}; each must have one a stage."
                )
        for i, row in enumerate(self.a):
            if len(row) != i:
                raise ValueError(
                    f"{self._title}: row {i} of a has {len(row)} entries, and must have "
                    f"{i}, since an explicit method's stages see those before them."
                )

    def _check_nodes(self):
        for i, (node, row) in enumerate(zip(self.c, self.a, strict=True)):
            if not abs(sum(row) - node) <= _TOLERANCE * max([1.0, *map(abs, row)]):
                raise ValueError(
                    f"{self._title}: row {i} of a sums to {sum(row):.10g} and c[{i}] is "
                    f"{node:.10g}; they must be equal."
                )

    def _check_order(self, which: str, weights: tuple[float, ...], order: int):
        stages = self.num_stages
        a = np.array([[*row, *(stages - len(row)) * [0.0]] for row in self.a])
        violation = first_violation(a, np.array(weights), order, _TOLERANCE)
        if violation is not None:
            raise ValueError(
                f"The tableau {self.name!r} has {which} that is not of order {order}: a "
                f"condition of order {violation.order} gives {violation.value:.10g} and "
                f"not {violation.expected:.10g}; correct its coefficients or its order."
            )

    def _check_error(self):
        if not any(self.error):
            raise ValueError(
                f"{self._title} with an error estimate: its error weights are all 0; "
                "pass error=None for a method on a fixed grid."
            )
        total = sum(self.error)
        if not abs(total) <= _TOLERANCE * max([1.0, *map(abs, self.error)]):
            raise ValueError(
                f"{self._title}: its error weights sum to {total:.10g}; their sum "
                "must be 0."
            )
        embedded = tuple(np.subtract(self.b, self.error))
        self._check_order("an embedded one (b - error)", embedded, self.order - 1)

    def as_dict(self) -> dict[str, Any]:
        """Numbers, strings and lists, from which `ButcherTableau(**...)` makes it."""
        plain = dataclasses.asdict(self)
        plain |= {"c": list(self.c), "a": [list(row) for row in self.a]}
        plain |= {"b": list(self.b), "error": self.error and list(self.error)}
        return plain

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its error, and so chooses its steps."""
        return self.error is not None

    @property
    def first_same_as_last(self) -> bool:
        """Whether the last stage of a step is the first stage of the next one."""
        return len(self.a[-1]) > 0 and self.a[-1] == self.b[:-1] and self.b[-1] == 0

    @property
    def num_stages(self) -> int:
        return len(self.c)

    @property
    def evaluations_per_step(self) -> int:
        """Evaluations of f that one more step costs."""
        return self.num_stages - int(self.first_same_as_last)


def _floats(values) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
