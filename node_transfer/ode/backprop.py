"""The exact gradient of the accepted steps ("discretise, then optimise").

Memory: one state for each accepted step. The stages are computed again on the way
back, and rejected steps leave no trace. Between two times that the solve steps onto, the
places of the steps are held fixed, as fractions of the way: the choice of steps is not
differentiated, as in every library of this kind. States that were interpolated are
differentiated as they were computed, from the stages of their step.
"""

from typing import NamedTuple, cast

import tensorflow as tf

from node_transfer.ode import dense_output, runge_kutta
from node_transfer.ode.gradient import Gradient, SolvedProblem
from node_transfer.ode.solver import Solver
from node_transfer.ode.tensors import add
from node_transfer.ode.trajectory import Trajectory
from node_transfer.ode.vjp import RecordedEvaluation, Sources


def gradient(
    solver: Solver,
    solved: SolvedProblem,
    output_bars: list[tf.Tensor],
    sources: Sources,
) -> Gradient:
    """Goes back through the trajectory of a solve.

    Args:
        solver: What it was solved by.
        solved: The solve, whose solution has its trajectory recorded.
        output_bars: Cotangents of the states at `times[1:]`, stacked; a list.
        sources: What else a gradient is wanted for.
    """
    way = _Way(solver, solved, output_bars, sources)
    times, solution = solved.times, solved.solution
    if way.only_final:
        y_bar = [bar[0] for bar in output_bars]
    else:
        y_bar = [tf.zeros_like(bar[0]) for bar in output_bars]
    time_bars = tf.zeros_like(times) if sources.times else tf.zeros([], times.dtype)
    state = (y_bar, sources.zeros(), time_bars, tf.size(times) - 1)
    nfe = solution.accepted * solver.steps_tableau.evaluations_per_step
    if way.interpolates:
        state, spent = way.last_stage_of_all(state)
        nfe += spent
    _, (y_bar, source_bars, time_bars, _) = tf.while_loop(
        lambda i, _: i >= 0,
        lambda i, state: (i - 1, way.back_one_step(i, state)),
        (solution.accepted - 1, state),
        parallel_iterations=1,
    )
    return Gradient(
        y_bar,
        source_bars,
        time_bars if sources.times else None,
        nfe=nfe,
        suited_step=solution.suited_step,
        suited_rejected_step=solution.suited_rejected_step,
    )


class _Passed(NamedTuple):
    """What a step passed between its start and its end, and their cotangents."""

    low: tf.Tensor
    high: tf.Tensor
    theta: tf.Tensor
    bars: list


class _Way:
    """The way back through the steps of a solve."""

    def __init__(self, solver: Solver, solved: SolvedProblem, output_bars, sources):
        self.tableau = solver.steps_tableau
        self.func, self.times = solved.func, solved.times
        self.solution = solved.solution
        self.trajectory = cast(Trajectory, solved.solution.trajectory)
        self.output_bars, self.sources = output_bars, sources
        self.only_final = solved.times.shape[0] == 2
        self.interpolates = solver.forward.interpolates and not self.only_final

    def back_one_step(self, i, state):
        """Goes from the end of step i to its start."""
        y_bar, source_bars, time_bars, target = state
        (t, dt), (_, high, lands, anchor), y = self.trajectory.step(i)
        lands = lands > 0
        if not self.only_final:
            bars = self.output_bars
            y_bar = tf.cond(
                lands, lambda: add(y_bar, [bar[high - 2] for bar in bars]), lambda: y_bar
            )
            target = tf.where(lands, high - 1, target)
        inside, stage_bars = None, None
        if self.interpolates:
            inside = self._inside(i)
            stage_bars = self._stage_bars(i, inside, dt)
        start_bar, step_bars, t_bar, dt_bar, ks = runge_kutta.step_gradient(
            self.tableau, self.func, t, dt, y, y_bar, self.sources, stage_bars
        )
        if self.interpolates:
            start_bar = add(start_bar, [tf.reduce_sum(bar, 0) for bar in inside.bars])
        if self.sources.times:
            if self.interpolates:
                time_bars, more = self._interpolated_times(i, inside, dt, ks, time_bars)
                t_bar, dt_bar = t_bar + more[0], dt_bar + more[1]
            time_bars = self._place(t, dt, t_bar, dt_bar, anchor, target, time_bars)
        # One pass over the parameters a step, not one a stage.
        parts = zip(source_bars, *step_bars, strict=True)
        source_bars = [tf.add_n(part) for part in parts]
        return start_bar, source_bars, time_bars, target

    def last_stage_of_all(self, state):
        """Gives the last stage of the last step what the states that use it give it.

        Any other step's last stage is the first one of the step after it. Returns the
        state, and the evaluations spent.
        """
        last = self.solution.accepted - 1

        def evaluate():
            y_bar, source_bars, time_bars, target = state
            end = RecordedEvaluation(
                self.func, self.times[-1], self.solution.y, self.sources
            )
            dt = self.trajectory.step(last)[0][1]
            more, bars, t_bar = end.vjp(self._own_and_last(self._inside(last), dt)[1])
            if self.sources.times:
                where = [[tf.size(self.times) - 1]]
                time_bars = tf.tensor_scatter_nd_add(time_bars, where, [t_bar])
            return (add(y_bar, more), add(source_bars, bars), time_bars, target), 1

        if not self.tableau.first_same_as_last:
            return state, 0
        # No branch in a branch: `batch_jacobian` takes its outcome for one of each row.
        low, high, lands, _ = self.trajectory.passed_by(tf.maximum(last, 0))
        needed = high - lands > low
        return tf.cond(needed, evaluate, lambda: (state, 0))

    def _inside(self, i) -> _Passed:
        """The output times that step i passed before its end."""
        (t, dt), (low, high, lands, _), _ = self.trajectory.step(i)
        high -= lands
        theta = (self.times[low:high] - t) / dt
        return _Passed(
            low, high, theta, [b[low - 1 : high - 1] for b in self.output_bars]
        )

    def _own_and_last(self, inside: _Passed, dt):
        """What interpolated states give to a step's own stages, and to its last one."""
        bars = dense_output.stage_cotangents(self.tableau, inside.theta, dt, inside.bars)
        if self.tableau.first_same_as_last:
            return bars[:-1], bars[-1]
        return bars, None

    def _stage_bars(self, i, inside: _Passed, dt):
        """What the stages of step i get from interpolated states, its first one as the
        last one of the step before."""
        own, _ = self._own_and_last(inside, dt)
        if not self.tableau.first_same_as_last:
            return own

        def of_step_before():
            dt_before = self.trajectory.step(i - 1)[0][1]
            return self._own_and_last(self._inside(i - 1), dt_before)[1]

        none = [tf.zeros_like(bar) for bar in own[0]]
        before = tf.cond(i > 0, of_step_before, lambda: none)
        return [add(own[0], before), *own[1:]]

    def _interpolated_times(self, i, inside: _Passed, dt, ks, time_bars):
        """Returns the bars of the times with those passed, and the bars of t and dt."""
        if self.tableau.first_same_as_last:
            ks = [*ks, self._first_stage_after(i)]
        times_bar, t_bar, dt_bar = dense_output.time_cotangents(
            self.tableau, inside.theta, dt, ks, inside.bars
        )
        where = tf.range(inside.low, inside.high)[:, None]
        time_bars = tf.tensor_scatter_nd_add(time_bars, where, times_bar)
        return time_bars, (t_bar, dt_bar)

    def _first_stage_after(self, i):
        """The derivative at the end of step i."""

        def next_start():
            (t, _), _, y = self.trajectory.step(i + 1)
            return t, y

        t, y = tf.cond(
            i + 1 < self.solution.accepted,
            next_start,
            lambda: (self.times[-1], list(self.solution.y)),
        )
        return self.func(t, y, self.sources.tensors)

    def _place(self, t, dt, t_bar, dt_bar, anchor, target, time_bars):
        """Returns the bars of the times with those of a step's place between two."""
        # t = a + s (b - a) and dt = ds (b - a) with s, ds fixed, on [a, b].
        a, b = self.times[anchor], self.times[target]
        s, ds = (t - a) / (b - a), dt / (b - a)
        changes = [(1 - s) * t_bar - ds * dt_bar, s * t_bar + ds * dt_bar]
        return tf.tensor_scatter_nd_add(
            time_bars, [[anchor], [target]], tf.stack(changes)
        )
