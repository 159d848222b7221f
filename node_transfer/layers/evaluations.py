"""The number of evaluations of f, as Keras's logs show it."""

import threading
from typing import NamedTuple

import keras
import tensorflow as tf

from node_transfer.ode.control_flow import graph_being_made


class _Noted(NamedTuple):
    """Solves of inference that no variable holds yet."""

    graph: tf.Graph | None  # where they were made; `None`: eagerly
    evaluations: tf.Tensor
    solves: int


class EvaluationCounts(keras.metrics.Metric):
    """Mean numbers of evaluations of f a solve, forward and backward.

    Keras shows them while a model trains, as `nfe_forward` and `nfe_backward`; they are
    no part of what `evaluate` returns, so that `loss, accuracy = model.evaluate(...)`.

    Inference writes no variable, so that a model can be exported, and predicts without a
    trace: what its solves took is noted, and becomes part of the counts where they are
    read in the same function, as the steps of `evaluate` and `fit` do, or eagerly.

    Args:
        prefix: Put before the two names.

    Attributes:
        place: Which of the model's ODE layers this one is, in the order of their calls:
            the names of all but the first, 0, end in it.
    """

    def __init__(self, prefix: str = ""):
        super().__init__(name=f"{prefix}nfe")
        self._prefix = prefix
        self.place = 0
        self._training = False  # in the call that is traced
        self._noted = threading.local()  # replicas are traced in threads of their own
        counts = ("evaluations", "solves", "evaluations_backward", "gradients", "trained")
        for count in counts:
            variable = self.add_variable((), "zeros", dtype="float32", name=count)
            setattr(self, count, variable)

    def update_state(self, nfe: tf.Tensor, training: bool = False) -> None:
        """Counts a forward solve: one of training now, one of inference when asked."""
        self._training = bool(training)
        if training:
            self._add(tf.cast(nfe, tf.float32), 1)
            self.trained.assign_add(1.0)
            return
        graph, evaluations, solves = self._noted_here() or _Noted(
            graph_being_made(), 0.0, 0
        )
        evaluations += tf.cast(nfe, tf.float32)
        self._noted.solves = _Noted(graph, evaluations, solves + 1)

    def _noted_here(self) -> _Noted | None:
        """What solves of inference in the graph that is being made have noted."""
        noted = getattr(self._noted, "solves", None)
        return noted if noted is not None and noted.graph is graph_being_made() else None

    def _add(self, evaluations: tf.Tensor, solves: int) -> None:
        self.evaluations.assign_add(evaluations)
        self.solves.assign_add(float(solves))

    def _settle(self) -> None:
        """Adds to the counts what inference has noted."""
        noted = self._noted_here()
        if noted is not None:
            self._noted.solves = None
            self._add(noted.evaluations, noted.solves)

    def reset_state(self) -> None:
        self._noted.solves = None
        super().reset_state()

    def update_backward(self, nfe: tf.Tensor) -> None:
        """Counts a gradient."""
        self.evaluations_backward.assign_add(tf.cast(nfe, tf.float32))
        self.gradients.assign_add(1.0)

    @property
    def forward(self) -> tf.Tensor:
        """Evaluations a solve, mean since the last reset; 0 where there was none."""
        self._settle()
        return tf.math.divide_no_nan(self.evaluations.value, self.solves.value)

    @property
    def backward(self) -> tf.Tensor:
        """Evaluations a gradient, mean since the last reset; 0 where there was none."""
        return tf.math.divide_no_nan(
            self.evaluations_backward.value, self.gradients.value
        )

    def result(self) -> dict[str, tf.Tensor]:
        """What Keras is to show: both means while training, else nothing."""
        self._settle()
        # A graph shows the same at every step: what the call traced with it was for.
        shown = self.trained.value > 0 if tf.executing_eagerly() else self._training
        if not shown:
            return {}
        end = f"_{self.place}" if self.place else ""
        return {
            f"{self._prefix}nfe_forward{end}": self.forward,
            f"{self._prefix}nfe_backward{end}": self.backward,
        }
