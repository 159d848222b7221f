"""A problem whose right-hand side jumps at known times, cut into parts without jumps."""

import dataclasses
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from node_transfer.ode.problem import Problem


class Part(NamedTuple):
    """From one jump to the next, or from or to an end of the interval.

    Attributes:
        problem: On this part alone, with the state at the start of the whole.
        num_outputs: How many of its times after the first are wanted.
    """

    problem: Problem
    num_outputs: int

    def problem_from(self, y: list[tf.Tensor]) -> Problem:
        return dataclasses.replace(self.problem, y0=y)


def parts(problem: Problem, jump_times: tuple[float, ...]) -> list[Part]:
    """Cuts a problem at the jumps inside its interval; the ends may be jumps, too.

    On each part f is evaluated at no time beyond its jumps, nor at one itself, but at the
    neighbouring floating-point number: on the way to a jump at the last before it, on
    the way from it at the first after it.

    Raises:
        ValueError: The times are tensors.
    """
    times = tf.get_static_value(problem.times)
    if times is None or problem.time_gradient:
        raise ValueError(
            "jump_times are given and t is a tensor, whose gradient they do not have: "
            "pass t as numbers."
        )
    way = np.sign(times[-1] - times[0])
    jumps = np.unique(np.asarray(jump_times, times.dtype))
    jumps = jumps[(way * jumps >= way * times[0]) & (way * jumps <= way * times[-1])]
    inside = np.setdiff1d(jumps, times[[0, -1]])[:: int(way)]
    result = []
    for start, end in zip([times[0], *inside], [*inside, times[-1]], strict=True):
        wanted = times[(way * times > way * start) & (way * times <= way * end)]
        on_the_way = [start, *wanted] if end in wanted else [start, *wanted, end]
        bounds = [
            _neighbour(start, end) if start in jumps else start,
            _neighbour(end, start) if end in jumps else end,
        ]
        part = dataclasses.replace(
            problem,
            rhs=_within(problem.rhs, min(bounds), max(bounds)),
            times=tf.constant(np.array(on_the_way, times.dtype)),
        )
        result.append(Part(part, len(wanted)))
    return result


def _neighbour(x, toward):
    """The floating-point number next to x; next to 0, where TensorFlow takes denormal
    numbers for 0, the first normal one."""
    if x == 0:
        return np.copysign(np.finfo(x.dtype).tiny, toward)
    return np.nextafter(x, toward)


def _within(rhs, low, high):
    """The right-hand side with the time kept between bounds."""

    def bounded(t, y, constants):
        return rhs(tf.clip_by_value(t, low, high), y, constants)

    return bounded
