"""The exact gradient of the accepted steps ("discretise, then optimise").

Memory: one state for each accepted step. The stages are computed again on the way
back, and rejected steps leave no trace. The places of the steps within an interval
between two output times are held fixed, as fractions of it: the choice of steps is not
differentiated, as in every library of this kind.
"""

import tensorflow as tf

from node_transfer.ode import runge_kutta
from node_transfer.ode.gradient import Gradient, SolvedProblem
from node_transfer.ode.solver import Solver
from node_transfer.ode.tensors import add
from node_transfer.ode.vjp import Sources


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
    func, _, times, solution = solved
    tableau, trajectory = solver.tableau, solution.trajectory
    only_final = times.shape[0] == 2
    time_bars = tf.zeros_like(times) if sources.times else tf.zeros([], times.dtype)

    def back_one_step(i, y_bar, source_bars, time_bars, target):
        grid = trajectory.grid.read(i)
        t, dt = grid[0], grid[1]
        y = [array.read(i) for array in trajectory.states]
        if not only_final:
            ends_on = trajectory.output.read(i)
            y_bar = tf.cond(
                ends_on > 0,
                lambda: add(y_bar, [bar[ends_on - 1] for bar in output_bars]),
                lambda: y_bar,
            )
            target = tf.where(ends_on > 0, ends_on, target)
        y_bar, step_bars, t_bar, dt_bar = runge_kutta.step_gradient(
            tableau, func, t, dt, y, y_bar, sources
        )
        if sources.times:
            # t = a + s (b - a) and dt = ds (b - a) with s, ds fixed, on [a, b].
            a, b = times[target - 1], times[target]
            s, ds = (t - a) / (b - a), dt / (b - a)
            changes = [(1 - s) * t_bar - ds * dt_bar, s * t_bar + ds * dt_bar]
            time_bars = tf.tensor_scatter_nd_add(
                time_bars, [[target - 1], [target]], tf.stack(changes)
            )
        # One pass over the parameters a step, not one a stage.
        parts = zip(source_bars, *step_bars, strict=True)
        source_bars = [tf.add_n(part) for part in parts]
        return i - 1, y_bar, source_bars, time_bars, target

    if only_final:
        y_bar = [bar[0] for bar in output_bars]
    else:
        y_bar = [tf.zeros_like(bar[0]) for bar in output_bars]
    _, y_bar, source_bars, time_bars, _ = tf.while_loop(
        lambda i, *_: i >= 0,
        back_one_step,
        (solution.accepted - 1, y_bar, sources.zeros(), time_bars, tf.constant(1)),
        parallel_iterations=1,
    )
    return Gradient(
        y_bar,
        source_bars,
        time_bars if sources.times else None,
        nfe=solution.accepted * tableau.evaluations_per_step,
        suited_step=solution.suited_step,
        suited_rejected_step=solution.suited_rejected_step,
    )
