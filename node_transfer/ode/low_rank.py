"""Right-hand sides whose values all lie in few dimensions, solved in those alone.

Where f(t, h) = g(t, h A) B + b, with a state of d numbers, h A of m and the values of g
of n, every state that a Runge-Kutta method reaches from h(t0) = h0 is

    h(t) = h0 + c(t) B + (t - t0) b,
    dc/dt = g(t, h0 A + c (B A) + (t - t0) b A),    c(t0) = 0,

with c computed by the same method in the same steps: such methods commute with affine
maps. Stages, interpolated states and estimates of the error are images of those of c,
and so is the adjoint's state, a(t) = a(t1) + w(t) A' with w the gradient in h0 A. So c
is what is solved for; its error is measured in the image, which makes the steps those of
h. The result is the same but for rounding; a stage costs one product of m x n numbers in
place of two of d, and what a gradient keeps of a step n numbers in place of d.

Reference: McLachlan, Modin, Munthe-Kaas & Verdier (2016), B-series methods are exactly
the affine equivariant methods, Numerische Mathematik 133, arXiv:1409.1019.
"""

import dataclasses
from typing import cast

import tensorflow as tf

from node_transfer.ode import methods, stepping
from node_transfer.ode.gradient import Gradient, SolvedProblem
from node_transfer.ode.loop_state import StepSettings
from node_transfer.ode.problem import LowRankFunction, Problem
from node_transfer.ode.solution import Solution
from node_transfer.ode.solver import Solver
from node_transfer.ode.tensors import add
from node_transfer.ode.vjp import Sources

# How wide a state is at least, and how many times as wide as what is solved for: where it
# is less, the images of a step cost what its stages save (`benchmarks/low_rank.py`).
LEAST_WIDTH, LEAST_RATIO = 128, 2


def function_of(problem: Problem, solver: Solver) -> LowRankFunction | None:
    """The right-hand side of a problem that is to be solved in few dimensions.

    It is solved as it comes where steps are chosen by each sample's state or by the
    parameters' gradient, where f jumps, and where times want a gradient.
    """
    options = solver.options
    as_it_comes = (
        options.per_sample or options.adjoint_control_parameters or options.jump_times
    )
    if problem.low_rank is None or problem.time_gradient or as_it_comes:
        return None
    into, out, *_ = problem.constants
    least = max(LEAST_WIDTH, LEAST_RATIO * max(into.shape[1], out.shape[0]))
    return problem.low_rank if into.shape[0] >= least else None


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
    """As `stepping.integrate`; its trajectory and its final state are those of c.

    Args:
        function: The right-hand side.
        constants: What it is given.
        settings, y0, times, first_step, record: See there.
    """
    narrow = _Narrow.of(function, y0[0], times[0], constants)
    inner = stepping.integrate(
        dataclasses.replace(settings, image=_OfSolution(narrow)),
        lambda t, c, quadrature: (narrow.rhs(t, c, narrow.tensors), []),
        [narrow.start()],
        times,
        first_step=first_step,
        record=record,
    )
    ends = inner.outputs[0]
    outputs = _image(times[1:] - times[0], ends, narrow.h0, narrow.out, narrow.bias)
    return inner._replace(outputs=[outputs], inner_outputs=inner.outputs)


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
    inner_outputs = cast(list, solution.inner_outputs)
    ends = tf.identity(inner_outputs[0])
    with tf.GradientTape(watch_accessed_variables=False) as narrowing:
        narrowing.watch([h0, *constants])
        narrow = _Narrow.of(function, h0, times[0], constants)
    with tf.GradientTape(watch_accessed_variables=False) as imaging:
        imaging.watch([ends, h0, *constants])
        _, out, bias, *_ = constants
        outputs = _image(times[1:] - times[0], ends, h0, out, bias)

    def back(tape, values, bars, to):
        return tape.gradient(
            values,
            to,
            output_gradients=bars,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    inner_bars, *of_image = back(imaging, outputs, output_bars[0], [ends, h0, *constants])
    inner = methods.GRADIENTS[solver.gradient].load()(
        solver,
        SolvedProblem(
            narrow.rhs,
            [narrow.start()],
            times,
            solution._replace(outputs=inner_outputs),
            image=_OfAdjoint(narrow, output_bars),
        ),
        [inner_bars],
        Sources(tuple(narrow.tensors), sources.variables, times=False),
    )
    num_tensors = len(narrow.tensors)
    bars = inner.source_bars[:num_tensors]
    of_tensors = back(narrowing, narrow.tensors, bars, [h0, *constants])
    y0_bar, *source_bars = add(of_image, of_tensors)
    source_bars += inner.source_bars[num_tensors:]
    return inner._replace(y0_bar=[y0_bar], source_bars=source_bars)


@dataclasses.dataclass(frozen=True)
class _Narrow:
    """The problem for c.

    Attributes:
        function: The right-hand side of the one for h.
        h0, t0: Where that starts.
        into, out, bias: A, B and b.
        tensors: What `rhs` is given: h0 A, B A, b A and the rest of f's constants.
    """

    function: LowRankFunction
    h0: tf.Tensor
    t0: tf.Tensor
    into: tf.Tensor
    out: tf.Tensor
    bias: tf.Tensor
    tensors: list[tf.Tensor]

    @classmethod
    def of(cls, function, h0, t0, constants) -> "_Narrow":
        into, out, bias, *others = constants
        drift = tf.linalg.matvec(into, bias, transpose_a=True)
        tensors = [_times(h0, into), tf.matmul(out, into), drift, *others]
        return cls(function, h0, t0, into, out, bias, tensors)

    def rhs(self, t, state, tensors) -> list[tf.Tensor]:
        """dc/dt."""
        (c,) = state
        start, mixed, drift, *others = tensors
        z = start + _times(c, mixed) + (t - self.t0) * drift
        return [tf.cast(self.function.inner(t, z, *others), c.dtype)]

    def start(self) -> tf.Tensor:
        """c where h is h0: zero."""
        size = self.out.shape[:1]
        zero = tf.zeros(tf.concat([tf.shape(self.h0)[:-1], size], 0), self.h0.dtype)
        return tf.ensure_shape(zero, [*self.h0.shape[:-1], *size])


class _OfSolution:
    """h, and its changes, as `loop_state.Image` of c."""

    num_quadrature = 0

    def __init__(self, narrow: _Narrow):
        self._narrow = narrow

    def states(self, t, y, q) -> list[tf.Tensor]:
        n = self._narrow
        return [n.h0 + _change(y[0], n.out, t - n.t0, n.bias)]

    def changes(self, dy, dq, duration=None) -> list[tf.Tensor]:
        n = self._narrow
        return [_change(dy[0], n.out, duration, n.bias)]


class _OfAdjoint:
    """h and the cotangent a of h, and their changes, as image of c's adjoint system.

    Args:
        narrow: The problem for c.
        output_bars: Cotangents of h at the output times, a list of one stacked tensor.
    """

    num_quadrature = 1  # the first one, the gradient in h0 A

    def __init__(self, narrow: _Narrow, output_bars, bar=None):
        self._narrow, self._bar = narrow, bar
        self._of_solution = _OfSolution(narrow)
        self.output_bars = output_bars

    def from_bars(self, bars: list[tf.Tensor]) -> "_OfAdjoint":
        """That on the way from a time, given the sum of the cotangents from there on."""
        return _OfAdjoint(self._narrow, self.output_bars, bars[0])

    def states(self, t, y, q) -> list[tf.Tensor]:
        a = self._bar + _times(q[0], self._narrow.into, transpose=True)
        return [*self._of_solution.states(t, y, q), a]

    def changes(self, dy, dq, duration=None) -> list[tf.Tensor]:
        da = _times(dq[0], self._narrow.into, transpose=True)
        return [*self._of_solution.changes(dy, dq, duration), da]


def _image(durations, states, h0, out, bias) -> tf.Tensor:
    """h at several times, of c there.

    Args:
        durations: The times from the start, shape (times,).
        states: c, shape (times, batch, ..., n).
        h0, out, bias: As in `_Narrow`.
    """
    durations = tf.reshape(durations, [-1, *[1] * h0.shape.rank])
    return h0 + _change(states, out, durations, bias)


def _change(c, out, duration, bias) -> tf.Tensor:
    """The image of a change of c within a duration; `None` counts as 0."""
    change = _times(c, out)
    return change if duration is None else change + duration * bias


def _times(x: tf.Tensor, matrix: tf.Tensor, transpose: bool = False) -> tf.Tensor:
    """Each row of a tensor, the last axis, times the matrix or its transpose."""
    if x.shape.rank == 2:
        return tf.matmul(x, matrix, transpose_b=transpose)
    return tf.tensordot(x, matrix, [[-1], [1 if transpose else 0]])
