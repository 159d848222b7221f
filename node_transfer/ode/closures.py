"""Tensors that a right-hand side closes over, whose gradient a solve would lose."""

import tensorflow as tf
from tensorflow.python.eager import record

from node_transfer.ode.problem import Problem
from node_transfer.ode.samples import time_of_each


def refuse_watched(problem: Problem, per_sample: bool = False) -> None:
    """Raises where f reads a tensor of which a gradient tape wants the gradient.

    Gradients of a solve reach variables, and tensors that it is given. A tensor computed
    outside f is neither; its gradient would come out as `None`, or too small, without a
    word. Costs a tracing of f, and only while a tape is watching something.

    Args:
        problem: What was solved.
        per_sample: Whether f is given a time for each sample.

    Raises:
        ValueError: f closes over a watched tensor.
    """
    if not record.could_possibly_record():
        return
    t, y = problem.times[0], problem.y0
    if per_sample:
        t = time_of_each(t, y[0])

    def rhs(t, y, constants):
        return problem.rhs(t, y, constants)

    traced = tf.function(rhs, autograph=False).get_concrete_function(
        t, list(y), list(problem.constants)
    )
    for tensor in traced.captured_inputs:
        if tensor.dtype.is_floating and record.should_record_backprop([tensor]):
            raise ValueError(
                f"func closes over a tensor of shape {tensor.shape}, whose gradient "
                "would be lost: pass it as odeint(..., constants={'name': tensor}) and "
                "take it as an argument of that name; or pass gradient='autodiff'; "
                "or close over tf.stop_gradient(tensor), if its gradient is not wanted."
            )
