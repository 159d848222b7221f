"""The adjoint sensitivity method ("optimise, then discretise"), in constant memory.

Chen, Rubanova, Bettencourt & Duvenaud (2018), Neural Ordinary Differential Equations,
appendix B: with a = dL/dh, the system

    dh/dt = f,    da/dt = -a df/dh,    dg/dt = -a df/dtheta

is solved from t1 back to t0. The parameters' gradient g is a quadrature: nothing
depends on it, so it stays out of the error norm (Kidger, Chen & Lyons, 2021, "Hey,
that's not an ODE") and no stage value of it is formed.

The system is linear in a. It is solved for a divided by its largest component at the
start, so that the tolerance is relative to the gradient, whatever the scale of the loss.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from node_transfer.ode import stepping
from node_transfer.ode.gradient import Gradient, SolvedProblem
from node_transfer.ode.solver import Solver
from node_transfer.ode.step_size import root_mean_square
from node_transfer.ode.tensors import add, inner_product, scalar
from node_transfer.ode.vjp import RecordedEvaluation, Sources


def gradient(
    solver: Solver,
    solved: SolvedProblem,
    output_bars: list[tf.Tensor],
    sources: Sources,
) -> Gradient:
    """Solves the adjoint system backwards over the output times.

    Args:
        solver: What it was solved by; its `backward` settings are those of this solve.
        solved: The solve.
        output_bars: Cotangents of the states at `times[1:]`, stacked; a list.
        sources: What else a gradient is wanted for.
    """
    func, y0, times, solution, image = solved
    settings = dataclasses.replace(solver.backward, image=image)
    first_step = solver.options.adjoint_first_step
    states = zip(y0, solution.outputs, strict=True)
    outputs = [tf.concat([first[None], rest], axis=0) for first, rest in states]
    num_components = len(outputs)
    state_only = Sources(sources.tensors, sources.variables, times=False)

    def augmented(t, state, quadrature):
        y, a = state[:num_components], state[num_components:]
        evaluation = RecordedEvaluation(func, t, y, state_only)
        a_bar, source_bars, _ = evaluation.vjp(a, with_sources=quadrature)
        change = [-_carried(x, times.dtype) for x in source_bars]
        return [*evaluation.value, *(-x for x in a_bar)], change

    seen_bars = [] if image is None else image.output_bars
    measured = seen_bars or output_bars
    if settings.norm is not None:
        norm = _larger(settings.norm, len(measured))
        settings = dataclasses.replace(settings, norm=norm)
    largest = [tf.reduce_max(tf.abs(bar)) for bar in measured]
    scale = tf.maximum(tf.reduce_max(tf.stack(largest)), 0.0)  # of no elements: -inf
    # Mixed precision probes for the largest loss scale with cotangents that overflow,
    # and skips the step where the gradient is not finite: give it NaN, and solve nothing.
    finite = tf.math.is_finite(scale)
    divisor = tf.where(finite & (scale > 0), scale, tf.ones_like(scale))
    output_bars, seen_bars = (
        [tf.where(finite, bar / divisor, tf.zeros_like(bar)) for bar in bars]
        for bars in (output_bars, seen_bars)
    )
    scale = tf.where(finite, divisor, tf.cast(float("nan"), scale.dtype))

    def drift_bars(back, i, y_bar):
        """What the image is told of states solved back to the i-th time."""
        if image is None:
            return []
        drift = [x - y[i] for x, y in zip(back, outputs, strict=True)]
        return image.drift_bars(drift, y_bar)

    def is_given(i):
        """Whether a first step is, since an interval gives it to the next one.

        Told by the place and not by the size, which is one of each row where
        `batch_jacobian` goes back for all of them at once.
        """
        if times.shape[0] == 2:
            return None
        return (i < tf.size(times) - 1) | (initial_step > 0)

    def back_one_interval(
        i, y_bar, seen, drifts, source_bars, time_bars, nfe, first_step, least
    ):
        y = [x[i] for x in outputs]
        bar = [x[i - 1] for x in output_bars]
        y_bar = add(y_bar, bar)
        seen = add(seen, [x[i - 1] for x in seen_bars])
        if sources.times:
            change = inner_product(bar, func(times[i], y, sources.tensors))
            time_bars = tf.tensor_scatter_nd_add(time_bars, [[i]], [change])
        solution = stepping.integrate(
            settings,
            augmented,
            [*y, *y_bar],
            tf.stack([times[i], times[i - 1]]),
            q0=source_bars,
            seen0=[] if image is None else image.start(i, y_bar, seen),
            first_step=first_step,
            is_given=is_given(i),
            phase="adjoint, backward in time",
        )
        y_bar = solution.y[num_components:]
        drifts = add(drifts, drift_bars(solution.y[:num_components], i - 1, y_bar))
        nfe += solution.nfe
        least = tf.minimum(least, solution.suited_rejected_step)
        step = solution.suited_step
        return i - 1, y_bar, seen, drifts, solution.q, time_bars, nfe, step, least

    initial_step = scalar(0.0 if first_step is None else first_step, times.dtype)
    time_bars = tf.zeros_like(times) if sources.times else tf.zeros([], times.dtype)
    zero_bar = [tf.zeros_like(x[0]) for x in outputs]
    state = (
        tf.size(times) - 1,
        zero_bar,
        [tf.zeros_like(x[0]) for x in seen_bars],
        [tf.zeros_like(x) for x in drift_bars(zero_bar, 0, zero_bar)],
        [_carried(x, times.dtype) for x in sources.zeros()],
        time_bars,
        tf.constant(0),
        initial_step,
        tf.constant(times.dtype.max, times.dtype),
    )
    if times.shape[0] == 2:
        state = back_one_interval(1, *state[1:])
    else:
        state = tf.while_loop(
            lambda i, *_: i > 0, back_one_interval, state, parallel_iterations=1
        )
    _, y_bar, _, drifts, source_bars, time_bars, nfe, suited_step, least = state
    if sources.times:
        start = [x[0] for x in outputs]
        at_start = inner_product(y_bar, func(times[0], start, sources.tensors))
        time_bars = scale * tf.tensor_scatter_nd_add(time_bars, [[0]], [-at_start])
    y_bar = [scale * x for x in y_bar]
    kinds = [x.dtype for x in (*sources.tensors, *sources.variables)]
    source_bars = [
        tf.cast(tf.cast(scale, x.dtype) * x, kind)
        for x, kind in zip(source_bars, kinds, strict=True)
    ]
    return Gradient(
        y_bar,
        source_bars,
        time_bars if sources.times else None,
        nfe,
        suited_step=suited_step,
        suited_rejected_step=least,
        drift_bars=[scale * x for x in drifts],
    )


def _carried(bar: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """A source's gradient as the solve carries it: in its own dtype, whatever its kind.

    Sources may be narrower or wider than the state, or whole numbers, whose is zero.
    """
    return bar if bar.dtype.is_complex else tf.cast(bar, dtype)


def _larger(norm: Callable, num_components: int) -> Callable:
    """The norm of the adjoint system: the larger one of its parts' norms."""

    def of_both(ratios: list) -> tf.Tensor:
        n = num_components
        parts = [norm(ratios[:n]), norm(ratios[n : 2 * n])]
        if ratios[2 * n :]:
            parts.append(root_mean_square(ratios[2 * n :]))
        return tf.reduce_max(tf.stack(parts))

    return of_both
