"""Steps for each sample of its own: no sample's solution depends on the others.

The loop goes on until the last sample has come to its end; each of its rounds evaluates f
for the whole batch, with a time for each sample, and samples that have arrived stay where
they are (as in torchode: Lienen & Guennemann, 2022, arXiv:2210.12375). What is one number
in `stepping` is here a column, of the shape (batch, 1), and states are matrices.
"""

import dataclasses
from typing import cast

import tensorflow as tf

from node_transfer.ode import controller, failure, runge_kutta
from node_transfer.ode.failure import compiles_with_xla
from node_transfer.ode.gradient import Gradient, SolvedProblem
from node_transfer.ode.loop_state import LoopState, StepSettings
from node_transfer.ode.samples import Samples, flat_func, norm_of_each, size_of_one
from node_transfer.ode.solution import Solution
from node_transfer.ode.solver import Solver
from node_transfer.ode.tensors import add, scalar
from node_transfer.ode.trajectory import Trajectory, array_of
from node_transfer.ode.vjp import Sources


def integrate(
    settings: StepSettings,
    func,
    y0: list[tf.Tensor],
    times: tf.Tensor,
    *,
    first_step: tf.Tensor | float | None = None,
    record: bool = False,
) -> Solution:
    """As `stepping.integrate`, onto each of the times, with a step size a sample.

    In the solution, `accepted`, `rejected` and `status` are of the shape (batch,), and
    `suited_step` is the least of the samples that reached their end.
    """
    if record and compiles_with_xla():
        raise ValueError(
            "per_sample is True, and XLA (jit_compile=True) cannot hold the steps of "
            "such a solve, whose number nobody knows: pass jit_compile=False, or leave "
            "per_sample out."
        )
    samples = Samples.of(y0)
    flat = flat_func(lambda t, y: func(t, y, False)[0], samples, y0)
    y = samples.flat(y0)
    dtype, tableau = times.dtype, settings.tableau
    norm = settings.norm
    settings = dataclasses.replace(
        settings,
        norm=norm_of_each
        if norm is None
        else lambda r: norm(samples.shaped(r, y0))[:, None],
        interpolate=False,
    )
    num_times = times.shape[0] or tf.shape(times)[0]
    direction = tf.sign(times[-1] - times[0])
    span = tf.abs(times[-1] - times[0])
    only_final = times.shape[0] == 2
    reuses_last_stage = tableau.first_same_as_last

    def derivative(t, y, quadrature):
        del quadrature
        return flat(t, y), []

    ones = tf.ones([tf.shape(y[0])[0], 1], dtype)
    count = tf.cast(tf.zeros_like(ones), tf.int32)
    t0 = times[0] * ones
    first = derivative(t0, y, False) if reuses_last_stage else ()
    size, startup_nfe = controller.first_step(
        settings, derivative, t0, y, times, first, first_step
    )

    def advance(rounds, loop: LoopState):
        active = (loop.target < num_times) & tf.equal(loop.status, failure.RUNNING)
        goal = tf.gather(times, tf.minimum(loop.target, num_times - 1))
        remaining = tf.abs(goal - loop.t)
        pieces = tf.maximum(tf.math.ceil(remaining / loop.size - 1e-3), 1.0)
        lands = pieces <= 1.0
        following_t = tf.where(lands, goal, loop.t + direction * remaining / pieces)
        dt = tf.where(active, following_t - loop.t, 0.0)
        start_stage = (
            loop.first if reuses_last_stage else derivative(loop.t, loop.y, False)
        )
        y1, _, stages = runge_kutta.step(
            tableau, derivative, loop.t, dt, loop.y, start_stage
        )
        moved = loop._replace(
            t=following_t,
            target=loop.target + tf.cast(lands, tf.int32),
            y=y1,
            first=stages[-1] if reuses_last_stage else (),
            tried=dt,
            status=tf.where(
                tf.equal(dt, 0.0), failure.STEP_UNDERFLOW, failure.RUNNING * count
            ),
        )
        ratio = controller.error_ratio(settings, stages, dt, loop, moved)
        following = controller.accept_or_reject(settings, loop, moved, ratio, lands, span)
        landed = active & (following.target > loop.target)
        if record:
            taken = tf.where(active & ~following.after_rejection, dt, 0.0)
            ends_on = tf.where(landed, loop.target, 0)
            trajectory = loop.trajectory.write(
                rounds, tf.stack([loop.t, taken]), ends_on[None], loop.y
            )
        if loop.outputs:
            rows = tf.equal(tf.range(1, num_times)[None], loop.target) & landed
            outputs = [
                tf.where(rows[..., None], x[:, None], all_of_it)
                for x, all_of_it in zip(following.y, loop.outputs, strict=True)
            ]
            following = following._replace(outputs=outputs)
        kept = following._replace(outputs=(), trajectory=())
        kept = tf.nest.map_structure(
            lambda new, old: tf.where(active, new, old),
            kept,
            loop._replace(outputs=(), trajectory=()),
        )
        return rounds + 1, kept._replace(
            outputs=following.outputs, trajectory=trajectory if record else ()
        )

    start = LoopState(
        t=t0,
        target=count + 1,
        aim=count,
        anchor=count,
        size=size,
        y=y,
        q=[],
        first=first,
        ratio=ones,
        after_rejection=count > 0,
        accepted=count,
        rejected=count,
        tries=count,
        status=count + failure.RUNNING,
        tried=size,
        suited_step=dtype.max * ones,
        suited_rejected_step=dtype.max * ones,
        outputs=[] if only_final else _no_outputs(y, num_times - 1),
        trajectory=_no_steps(y, t0, count) if record else (),
    )
    rounds, end = tf.while_loop(
        lambda _, loop: tf.reduce_any(
            (loop.target < num_times) & tf.equal(loop.status, failure.RUNNING)
        ),
        advance,
        (tf.constant(0), start),
        parallel_iterations=1,
    )
    nfe = startup_nfe + rounds * tableau.evaluations_per_step
    finite = tf.reduce_all(
        [tf.reduce_all(tf.math.is_finite(x), 1, keepdims=True) for x in end.y], 0
    )
    end = end._replace(status=tf.where(finite, end.status, failure.NOT_FINITE))
    y = _checked(settings, end, nfe)
    outputs = [x[None] for x in samples.shaped(y, y0)]
    if not only_final:
        with tf.control_dependencies(y):
            outputs = [tf.transpose(x, [1, 0, 2]) for x in end.outputs]
        outputs = [
            tf.reshape(x, tf.concat([[-1], tf.shape(start)], 0))
            for x, start in zip(outputs, y0, strict=True)
        ]
        for x, start in zip(outputs, y0, strict=True):
            x.set_shape([times.shape[0] and times.shape[0] - 1, *start.shape])
    solved = tf.equal(end.status, failure.RUNNING)
    least = tf.reduce_min(tf.where(solved, end.suited_step, dtype.max))
    return Solution(
        y=samples.shaped(y, y0),
        q=[],
        outputs=outputs,
        trajectory=end.trajectory.settled() if record else None,
        nfe=nfe,
        accepted=end.accepted[:, 0],
        rejected=end.rejected[:, 0],
        suited_step=tf.where(tf.reduce_any(solved), least, 0.0),
        suited_rejected_step=tf.reduce_min(end.suited_rejected_step),
        status=end.status[:, 0],
    )


def _no_outputs(y: list, num_outputs) -> list:
    """Outputs of which none has been reached: NaN, of the shape (batch, times, size)."""
    shapes = [[tf.shape(x)[0], num_outputs, x.shape[1]] for x in y]
    return [
        tf.fill(shape, tf.cast(float("nan"), x.dtype))
        for shape, x in zip(shapes, y, strict=True)
    ]


def _no_steps(y: list, t0, count) -> Trajectory:
    """A trajectory without a step; `passed` has the time that each sample ends on."""
    return Trajectory(
        grid=array_of(tf.stack([t0, t0]), None),
        passed=array_of(count[None], None),
        states=[array_of(x, None) for x in y],
    )


def _checked(settings: StepSettings, end: LoopState, nfe) -> list:
    """The state, NaN in samples that failed, which may stop the program."""
    worst = tf.concat([end.status[:, 0], [failure.RUNNING]], 0)
    at = tf.argmax(worst)
    t, tried = (tf.concat([x[:, 0], [0.0]], 0)[at] for x in (end.t, end.tried))
    tolerances = [scalar(x, t.dtype) for x in (settings.rtol, settings.atol)]
    circumstances = (t, tried, nfe, *tolerances)
    stops = failure.checks(worst[at], circumstances, "forward", settings.on_failure)
    solved = tf.equal(end.status, failure.RUNNING)
    with tf.control_dependencies(stops):
        return [tf.where(solved, x, tf.cast(float("nan"), x.dtype)) for x in end.y]


def gradient(
    solver: Solver, solved: SolvedProblem, output_bars: list, sources: Sources
) -> Gradient:
    """As `backprop.gradient`: steps that a sample did not take have the length 0."""
    y0, solution = solved.y0, solved.solution
    trajectory = cast(Trajectory, solution.trajectory)
    samples = Samples.of(y0)
    func = flat_func(solved.func, samples, y0)
    only_final = solved.times.shape[0] == 2
    bars_of_samples = [
        tf.reshape(bar, [tf.shape(bar)[0], tf.shape(bar)[1], size_of_one(bar[0])])
        for bar in output_bars
    ]
    bars_of_samples = [tf.transpose(bar, [1, 0, 2]) for bar in bars_of_samples]

    failed = tf.not_equal(solution.status, failure.RUNNING)[:, None]
    asked = [
        tf.reduce_any(failed[..., None] & (bar != 0), axis=[1, 2])[:, None]
        for bar in bars_of_samples
    ]
    asked = tf.reduce_any(tf.stack(asked), axis=0)  # of each sample, a column
    bars_of_samples = [
        tf.where(failed[..., None], tf.zeros_like(bar), bar) for bar in bars_of_samples
    ]

    # A failed sample steps as one that did not fail, with a cotangent of 0: of its own
    # steps, and of a state of zeros, f may be infinite, and NaN times 0 is NaN.
    another = tf.argmin(tf.concat([solution.status, [failure.RUNNING]], 0))

    def with_another(x):
        return tf.where(failed, tf.pad(x, [[0, 1], [0, 0]])[another], x)

    def back_one_step(i, y_bar, source_bars):
        (t, dt), ends_on, y = trajectory.step(i)
        t, dt, *y = (with_another(x) for x in (t, dt, *y))
        if not only_final:
            ends_on = ends_on[0]
            rows = tf.maximum(ends_on - 1, 0)
            here = [tf.gather(bar, rows, batch_dims=1)[:, 0] for bar in bars_of_samples]
            here = [tf.where(ends_on > 0, bar, tf.zeros_like(bar)) for bar in here]
            y_bar = add(y_bar, here)
        y_bar, step_bars, *_ = runge_kutta.step_gradient(
            solver.steps_tableau, func, t, dt, y, y_bar, sources
        )
        parts = zip(source_bars, *step_bars, strict=True)
        return i - 1, y_bar, [tf.add_n(part) for part in parts]

    y_bar = [bar[:, 0] for bar in bars_of_samples]
    if not only_final:
        y_bar = [tf.zeros_like(bar) for bar in y_bar]
    rounds = trajectory.size()
    _, y_bar, source_bars = tf.while_loop(
        lambda i, *_: i >= 0,
        back_one_step,
        (rounds - 1, y_bar, sources.zeros()),
        parallel_iterations=1,
    )
    # A sample that failed has no gradient where one is asked for, nor has then what all
    # share. Where nobody asks its gradient is 0, as of everything that a loss leaves out.
    of_failed = tf.where(asked, float("nan"), 0.0)
    y_bar = [tf.where(failed, tf.cast(of_failed, bar.dtype), bar) for bar in y_bar]
    source_bars = [
        tf.where(tf.reduce_any(asked), tf.cast(float("nan"), bar.dtype), bar)
        for bar in source_bars
    ]
    return Gradient(
        samples.shaped(y_bar, y0),
        source_bars,
        None,
        nfe=rounds * solver.steps_tableau.evaluations_per_step,
        suited_step=solution.suited_step,
        suited_rejected_step=solution.suited_rejected_step,
    )
