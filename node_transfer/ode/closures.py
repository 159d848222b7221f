"""Tensors that a right-hand side closes over, whose gradient a solve would lose."""

import warnings

import tensorflow as tf
from tensorflow.python.eager import record

from node_transfer.ode.problem import Problem
from node_transfer.ode.tensors import has_gradient

REMEDIES = (
    "pass it as odeint(..., constants={'name': tensor}) and take it as an argument of "
    "that name; or pass gradient='autodiff'; or close over tf.stop_gradient(tensor), if "
    "its gradient is not wanted."
)


def a_tape_watches() -> bool:
    """Whether a gradient tape is watching something, so that it can be asked."""
    return record.could_possibly_record()


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
    if not a_tape_watches():
        return
    for tensor in _closed_over(problem, per_sample):
        if record.should_record_backprop([tensor]):
            raise ValueError(
                f"func closes over a tensor of shape {tensor.shape}, whose gradient "
                f"would be lost: {REMEDIES}"
            )


def warn_of_lost(problem: Problem, per_sample: bool = False) -> None:
    """Warns where f reads a tensor whose gradient may be wanted, and nothing tells.

    So where a `tf.function` is differentiated as a whole, since no tape follows its
    inputs: no more can be told than what the tensor was computed from. Costs a tracing
    of f. To be called where the gradient is taken.

    Args:
        problem: What was solved.
        per_sample: Whether f is given a time for each sample.
    """
    for tensor in _closed_over(problem, per_sample):
        if _may_want_a_gradient(tensor):
            warnings.warn(
                f"func closes over a tensor of shape {tensor.shape}; the gradient of "
                "odeint, taken outside of the tf.function that calls it, does not reach "
                f"it: {REMEDIES}",
                stacklevel=2,
            )
            return


def _closed_over(problem: Problem, per_sample: bool) -> list[tf.Tensor]:
    """The tensors, of kinds with a gradient, that a right-hand side reads unasked.

    Adds no operation to the graph that is being made.
    """
    y = problem.y0[0]
    shape = [y.shape[0], *[1] * (y.shape.rank - 1)] if per_sample else []
    traced = tf.function(problem.rhs, autograph=False).get_concrete_function(
        tf.TensorSpec(shape, y.dtype), list(problem.y0), list(problem.constants)
    )
    return [x for x in traced.captured_inputs if has_gradient(x)]


def _may_want_a_gradient(tensor: tf.Tensor) -> bool:
    """Whether a tensor of a graph was computed from its inputs, or from variables."""
    to_see, seen = [tensor], set()
    while to_see:
        x = to_see.pop()
        if id(x) in seen or isinstance(x, tf.__internal__.EagerTensor):
            continue  # a tensor of no graph is a constant in one
        seen.add(id(x))
        if x.op.type == "ReadVariableOp":
            if _is_of_trainable(x.op):
                return True
        elif x.op.type == "Placeholder":
            outside = _outside(x)
            if outside is None and has_gradient(x):
                return True
            to_see += [] if outside is None else [outside]
        elif x.op.type != "StopGradient":
            to_see += [y for y in x.op.inputs if has_gradient(y)]
    return False


def _outside(placeholder: tf.Tensor) -> tf.Tensor | None:
    """What stands for itself in the graph around, if it is no input."""
    captures = getattr(placeholder.graph, "captures", ())
    return next((outer for outer, inner in captures if inner is placeholder), None)


def _is_of_trainable(read: tf.Operation) -> bool:
    """Whether an operation reads a variable that is trained."""
    handle = read.inputs[0]
    while handle is not None and not isinstance(handle, tf.__internal__.EagerTensor):
        handle = _outside(handle)
    trainable = getattr(read.graph, "trainable_variables", ())
    return any(variable.handle is handle for variable in trainable)
