"""What every method of differentiation is given, and what it returns."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from node_transfer.ode.solution import Solution


class SolvedProblem(NamedTuple):
    """A solve that is to be differentiated.

    Attributes:
        func: `func(t, y, tensors) -> dy`, with the tensors of `vjp.Sources` or copies.
        y0: Initial state, a list of tensors.
        times: The output times, the initial one first.
        solution: What the forward solve returned.
        image: The `loop_state.Image` of an adjoint's solve, where there is one, with
            `output_bars`, the cotangents of the outputs' image, a list;
            `start(i, y_bar, bars)`, what it starts from at the i-th time, given the
            cotangents there of the state and of its image; and `drift_bars(drift,
            y_bar)`, a list, what it is to be told of how far a state that was solved
            back is from the one that it was, given the cotangent there.
    """

    func: Callable
    y0: list[tf.Tensor]
    times: tf.Tensor
    solution: Solution
    image: Any = None


class Gradient(NamedTuple):
    """The gradient of a loss of the states at the output times.

    Attributes:
        y0_bar: For the initial state, a list of tensors.
        source_bars: For the tensors and variables of `vjp.Sources`, in that order.
        time_bars: For the times, 1-D; `None` unless the sources ask for it.
        nfe: Evaluations of f, each with its vector-Jacobian product.
        suited_step, suited_rejected_step: As in `solution.Solution`, of the last solve
            that the gradient took: of the forward one where it took none of its own.
        drift_bars: What an image's `drift_bars` are, summed over the output times.
    """

    y0_bar: list[tf.Tensor]
    source_bars: list[tf.Tensor]
    time_bars: tf.Tensor | None
    nfe: tf.Tensor
    suited_step: tf.Tensor
    suited_rejected_step: tf.Tensor
    drift_bars: list[tf.Tensor] | tuple = ()
