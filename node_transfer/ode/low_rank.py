"""Right-hand sides whose values all lie in few dimensions, solved in those alone.

Where f(t, h) = g(t, h A) B + b, with a state of d numbers, h A of m and the values of g
of n, z = h A is the solution of an ODE of its own, and h of its values alone:

    dz/dt = g(t, z) B A + b A,    dc/dt = g(t, z),    h(t) = h0 + c(t) B + (t - t0) b.

A Runge-Kutta method commutes with such affine maps: its stages, states between two steps
and estimates of the error for h are the images of those for (z, c). So these are solved
for; h moves with them, from step to step, and errors are measured in it, which makes the
steps those of h. So with the adjoint, whose state is a(t) = a(t1) + (dL/dz)(t) A', and
whose gradient for A is of the states as it solves them back, B' d(c)' (dL/dz) for their
drift d(c) at each output time. The result is the same but for rounding, and but for the
sums that the adjoint's integrals for A and B are. A stage costs one product of m x n
numbers in place of two of d, and what a gradient keeps of a step m + n numbers in place
of d.

Reference: McLachlan, Modin, Munthe-Kaas & Verdier (2016), B-series methods are exactly
the affine equivariant methods, Numerische Mathematik 133, arXiv:1409.1019.
"""

import dataclasses

import tensorflow as tf

from node_transfer.ode import methods, stepping
from node_transfer.ode.gradient import Gradient, SolvedProblem
from node_transfer.ode.loop_state import StepSettings
from node_transfer.ode.problem import LowRankFunction
from node_transfer.ode.solution import Solution
from node_transfer.ode.solver import Solver
from node_transfer.ode.tensors import add
from node_transfer.ode.vjp import Sources

# How wide a state is at least, and how many times as wide as what is solved for: where it
# is less, what moves with a step costs what its stages save (`benchmarks/low_rank.py`).
LEAST_WIDTH, LEAST_RATIO = 128, 2


def is_worthwhile(function: LowRankFunction, solver: Solver) -> bool:
    """Whether a solver can solve in few dimensions, and is faster for it.

    It cannot where steps are chosen by each sample's state or by the parameters'
    gradient, where f jumps, or by TFP's own methods.
    """
    options = solver.options
    if options.per_sample or options.adjoint_control_parameters or options.jump_times:
        return False
    least = max(LEAST_WIDTH, LEAST_RATIO * max(function.inner_widths))
    return solver.tableau is not None and function.width >= least


def integrate(
    settings: StepSettings,
    function: LowRankFunction,
    y0: list[tf.Tensor],
    times: tf.Tensor,
    constants: list[tf.Tensor],
    *,
    first_step: tf.Tensor | float | None = None,
    record: bool = False,
) -> Solution:
    """As `stepping.integrate`; its trajectory and its final state are those of (z, c).

    Args:
        function: The right-hand side.
        constants: What it is given.
        settings, y0, times, first_step, record: See there.
    """
    narrow = _Narrow.of(function, y0[0], constants)
    solution = stepping.integrate(
        dataclasses.replace(settings, image=narrow),
        lambda t, y, quadrature: (narrow.rhs(t, y, narrow.tensors), []),
        narrow.start(),
        times,
        seen0=y0,
        first_step=first_step,
        record=record,
    )
    inner_outputs, outputs = solution.outputs
    return solution._replace(outputs=[outputs], inner_outputs=inner_outputs)


def gradient(
    function: LowRankFunction,
    solver: Solver,
    solved: SolvedProblem,
    output_bars: list[tf.Tensor],
    sources: Sources,
) -> Gradient:
    """As the gradient of the solver's method, for the state h and what f was given.

    Args:
        function: The right-hand side.
        solver, solved, output_bars, sources: As for `backprop.gradient`.
    """
    times, solution = solved.times, solved.solution
    # Copies made here: a tape inside a loop does not see tensors from outside it.
    h0, *constants = (tf.identity(x) for x in (*solved.y0, *sources.tensors))
    inner_outputs = tf.identity(solution.inner_outputs)
    with tf.GradientTape(watch_accessed_variables=False) as narrowing:
        narrowing.watch([h0, *constants])
        narrow = _Narrow.of(function, h0, constants)
        reduced = [narrow.z0, *narrow.tensors]
    with tf.GradientTape(watch_accessed_variables=False) as imaging:
        imaging.watch([inner_outputs, h0, *constants])
        durations = tf.reshape(times[1:] - times[0], [-1, *[1] * h0.shape.rank])
        outputs = h0 + narrow.changes([inner_outputs], durations)[0]

    def back(tape, values, bars, to):
        return tape.gradient(
            values,
            to,
            output_gradients=bars,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    to_image = [inner_outputs, h0, *constants]
    inner_bars, *of_image = back(imaging, outputs, output_bars[0], to_image)
    inner = methods.GRADIENTS[solver.gradient].load()(
        solver,
        SolvedProblem(
            narrow.rhs,
            narrow.start(),
            times,
            solution._replace(outputs=[inner_outputs]),
            image=_OfAdjoint(narrow, solved.solution.outputs, output_bars),
        ),
        [inner_bars],
        Sources(tuple(narrow.tensors), sources.variables, times=False),
    )
    num_tensors = len(narrow.tensors)
    z_bar, _ = narrow.parts(inner.y0_bar[0])
    bars = [z_bar, *inner.source_bars[:num_tensors]]
    of_reduced = back(narrowing, reduced, bars, [h0, *constants])
    y0_bar, *source_bars = add(of_image, of_reduced)
    for drift_bar in inner.drift_bars:
        source_bars[0] += tf.matmul(narrow.out, drift_bar, transpose_a=True)
    source_bars += inner.source_bars[num_tensors:]
    return inner._replace(y0_bar=[y0_bar], source_bars=source_bars)


@dataclasses.dataclass(frozen=True)
class _Narrow:
    """The problem for (z, c), whose `loop_state.Image` is h.

    Attributes:
        function: The right-hand side of the one for h.
        z0: h0 A.
        into, out, bias: A, B and b.
        tensors: What `rhs` is given: B A, b A and the rest of f's constants.
    """

    function: LowRankFunction
    z0: tf.Tensor
    into: tf.Tensor
    out: tf.Tensor
    bias: tf.Tensor
    tensors: list[tf.Tensor]

    @classmethod
    def of(cls, function, h0, constants) -> "_Narrow":
        into, out, bias, *others = constants
        drift = tf.linalg.matvec(into, bias, transpose_a=True)
        tensors = [tf.matmul(out, into), drift, *others]
        return cls(function, _times(h0, into), into, out, bias, tensors)

    def rhs(self, t, state, tensors) -> list[tf.Tensor]:
        """`[d(z, c)/dt]`."""
        z, _ = self.parts(state[0])
        mixed, drift, *others = tensors
        dc = tf.cast(self.function.inner(t, z, *others), z.dtype)
        return [tf.concat([_times(dc, mixed) + drift, dc], axis=-1)]

    def start(self) -> list[tf.Tensor]:
        """`[(z, c)]` where h is h0."""
        to_c = [[0, 0]] * (self.z0.shape.rank - 1) + [[0, self.out.shape[0]]]
        return [tf.pad(self.z0, to_c)]

    def parts(self, state) -> list[tf.Tensor]:
        """z and c, which are one tensor while they are solved for, or changes of both."""
        return tf.split(state, [self.into.shape[1], self.out.shape[0]], axis=-1)

    def changes(self, dy, duration=None) -> list[tf.Tensor]:
        change = _times(self.parts(dy[0])[1], self.out)
        return [change if duration is None else change + duration * self.bias]


class _OfAdjoint:
    """h and its cotangent a, as image of the adjoint system of (z, c).

    Args:
        narrow: The problem for (z, c).
        outputs: h at the output times, a list of one stacked tensor.
        output_bars: Its cotangents there.
    """

    def __init__(self, narrow: _Narrow, outputs: list, output_bars: list):
        self._narrow, self._outputs = narrow, outputs
        self.output_bars = output_bars

    def start(self, i, y_bar: list, bars: list) -> list[tf.Tensor]:
        """`[h, a]` at the i-th time, given the cotangents of (z, c) and of h there."""
        return [self._outputs[0][i - 1], bars[0] + self._of_a(y_bar)]

    def changes(self, dy, duration=None) -> list[tf.Tensor]:
        return [*self._narrow.changes(dy[:1], duration), self._of_a(dy[1:])]

    def drift_bars(self, drift, y_bar) -> list[tf.Tensor]:
        """Of the drift d(c) of c, `[d(c)' a_z]`: B' times it is A's gradient of it."""
        (_, c), (z_bar, _) = (self._narrow.parts(x[0]) for x in (drift, y_bar))
        c, z_bar = (tf.reshape(x, [-1, x.shape[-1]]) for x in (c, z_bar))
        return [tf.matmul(c, z_bar, transpose_a=True)]

    def _of_a(self, bar) -> tf.Tensor:
        z_bar, _ = self._narrow.parts(bar[0])
        return _times(z_bar, self._narrow.into, transpose=True)


def _times(x: tf.Tensor, matrix: tf.Tensor, transpose: bool = False) -> tf.Tensor:
    """Each row of a tensor, the last axis, times the matrix or its transpose."""
    if x.shape.rank == 2:
        return tf.matmul(x, matrix, transpose_b=transpose)
    return tf.tensordot(x, matrix, [[-1], [1 if transpose else 0]])
