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
            that runs on a fixed grid.
        reference: Where the coefficients were published.
        error_order: Order of the embedded solution; `None` is `order - 1`.
        second_error: As `error`, of a second embedded solution, of order 3, for methods
            of high order: with norms n and m, the error is n^2 / sqrt(n^2 + 0.01 m^2)
            (Hairer, Norsett & Wanner, section II.10).
        interpolant: Row i has the coefficients of theta, theta^2, ... of the weight
            `b_i(theta)`, with which `y + dt sum_i b_i(theta) k_i` is the solution at
            `t + theta dt`, of order `order - 1` at least. `None` leaves it to cubic
            Hermite interpolation where that is of this order, and else has none.

    Raises:
        ValueError: The shapes do not fit, a row of `a` does not sum to its node, or the
            solution, an embedded one or the interpolant is not of its order.

    Example:

    >>> midpoint = ButcherTableau(
    ...     name="own_midpoint", order=2, c=(0, 1 / 2), a=((), (1 / 2,)), b=(0, 1),
    ...     error=None, reference="Runge (1895), doi:10.1007/BF01446807",
    ... )
    >>> print(odeint(lambda t, y: t, 0.0, [0.0, 2.0], method=midpoint,
    ...              options={"num_steps": 1})[-1].numpy())
    2.0
    """

    name: str
    order: int
    c: tuple[float, ...]
    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    error: tuple[float, ...] | None
    reference: str
    error_order: int | None = None
    second_error: tuple[float, ...] | None = None
    interpolant: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self):
        for name in ("c", "b", "error", "second_error"):
            self._make_floats(name, _floats)
        for name in ("a", "interpolant"):
            self._make_floats(name, _rows_of_floats)
        self._check_shapes()
        self._check_nodes()
        self._check_order("a solution (b)", self.b, self.order)
        if self.error is not None:
            if self.error_order is None:
                object.__setattr__(self, "error_order", self.order - 1)
            self._check_error("error", self.error_order)
        if self.second_error is not None:
            self._check_error("second_error", 3)
        if self.interpolant is not None:
            self._check_interpolant()
        elif self.adaptive and self.first_same_as_last and self.order <= 4:
            object.__setattr__(self, "interpolant", _hermite(self.b))

    def _make_floats(self, name: str, convert):
        value = getattr(self, name)
        if value is None and name not in ("a", "b", "c"):
            return
        try:
            object.__setattr__(self, name, convert(value))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self._title}: c, a, b and error must be sequences of numbers, and a "
                f"one of rows, as interpolant is; {name} is not ({error})."
            ) from error

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
        for name in ("a", "b", "error", "second_error", "interpolant"):
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

    def _check_order(self, which: str, weights, order: int, theta: float = 1.0):
        stages = self.num_stages
        a = np.array([[*row, *(stages - len(row)) * [0.0]] for row in self.a])
        violation = first_violation(a, np.array(weights), order, _TOLERANCE, theta)
        if violation is not None:
            raise ValueError(
                f"The tableau {self.name!r} has {which} that is not of order {order}: a "
                f"condition of order {violation.order} gives {violation.value:.10g} and "
                f"not {violation.expected:.10g}; correct its coefficients or its order."
            )

    def _check_error(self, name: str, order: int):
        weights = getattr(self, name)
        if not any(weights):
            raise ValueError(
                f"{self._title} with an error estimate: its weights {name} are all 0; "
                f"pass {name}=None for a method without it."
            )
        total = sum(weights)
        if not abs(total) <= _TOLERANCE * max([1.0, *map(abs, weights)]):
            raise ValueError(
                f"{self._title}: its weights {name} sum to {total:.10g}; their sum "
                "must be 0."
            )
        embedded = tuple(np.subtract(self.b, weights))
        self._check_order(f"an embedded one (b - {name})", embedded, order)

    def _check_interpolant(self):
        if len({len(row) for row in self.interpolant}) != 1:
            raise ValueError(
                f"{self._title}: the rows of interpolant must be of one length, the "
                "degree of its polynomials."
            )
        end = np.sum(self.interpolant, axis=1)
        if not np.allclose(end, self.b, rtol=0, atol=_TOLERANCE):
            raise ValueError(
                f"{self._title}: its interpolant ends, at theta = 1, with the weights "
                f"{end.tolist()}, and must end with b."
            )
        for theta in (0.3, 0.7):
            weights = np.array(self.interpolant) @ theta ** np.arange(
                1, len(self.interpolant[0]) + 1
            )
            which = f"an interpolant (at theta = {theta})"
            self._check_order(which, weights, self.order - 1, theta)

    def as_dict(self) -> dict[str, Any]:
        """Numbers, strings and lists, from which `ButcherTableau(**...)` makes it."""
        return {
            name: _lists(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

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


def _rows_of_floats(rows) -> tuple[tuple[float, ...], ...]:
    return tuple(_floats(row) for row in rows)


def _lists(values) -> list:
    return [_lists(x) if isinstance(x, tuple) else x for x in values]


def _hermite(b: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
    """Cubic Hermite interpolation of a step whose last stage is the next one's first."""
    rows = np.outer(b, [0.0, 3.0, -2.0])  # of y1 - y0
    rows[0] += [1.0, -2.0, 1.0]  # of the slope at the start
    rows[-1] += [0.0, -1.0, 1.0]  # of the slope at the end
    return _rows_of_floats(rows)
