"""The number of evaluations of f, as Keras's logs show it."""

import keras
import tensorflow as tf


class EvaluationCounts(keras.metrics.Metric):
    """Mean numbers of evaluations of f a solve, forward and backward.

    Keras shows them while a model trains, as `nfe_forward` and `nfe_backward`; they are
    no part of what `evaluate` returns, so that `loss, accuracy = model.evaluate(...)`.

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
        counts = ("evaluations", "solves", "evaluations_backward", "gradients", "trained")
        for count in counts:
            variable = self.add_variable((), "zeros", dtype="float32", name=count)
            setattr(self, count, variable)

    def update_state(self, nfe: tf.Tensor, training: bool = False) -> None:
        """Counts a forward solve."""
        self._training = bool(training)
        self.evaluations.assign_add(tf.cast(nfe, tf.float32))
        self.solves.assign_add(1.0)
        if training:
            self.trained.assign_add(1.0)

    def update_backward(self, nfe: tf.Tensor) -> None:
        """Counts a gradient."""
        self.evaluations_backward.assign_add(tf.cast(nfe, tf.float32))
        self.gradients.assign_add(1.0)

    @property
    def forward(self) -> tf.Tensor:
        """Evaluations a solve, mean since the last reset; 0 where there was none."""
        return tf.math.divide_no_nan(self.evaluations.value, self.solves.value)

    @property
    def backward(self) -> tf.Tensor:
        """Evaluations a gradient, mean since the last reset; 0 where there was none."""
        return tf.math.divide_no_nan(
            self.evaluations_backward.value, self.gradients.value
        )

    def result(self) -> dict[str, tf.Tensor]:
        """What Keras is to show: both means while training, else nothing."""
        # A graph shows the same at every step: what the call traced with it was for.
        shown = self.trained.value > 0 if tf.executing_eagerly() else self._training
        if not shown:
            return {}
        end = f"_{self.place}" if self.place else ""
        return {
            f"{self._prefix}nfe_forward{end}": self.forward,
            f"{self._prefix}nfe_backward{end}": self.backward,
        }
