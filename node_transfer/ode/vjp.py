"""Vector-Jacobian products of the right-hand side f."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Sources:
    """What a gradient is wanted for, beside the state.

    Attributes:
        tensors: Constant tensors that `func` was given.
        variables: Trainable variables that `func` reads.
        times: Whether the derivative in t is wanted.
    """

    tensors: tuple
    variables: tuple
    times: bool

    def zeros(self) -> list[tf.Tensor]:
        """A zero gradient for each tensor and variable, in that order."""
        zeros = [tf.zeros_like(x) for x in self.tensors]
        return zeros + [tf.zeros(v.shape, v.dtype) for v in self.variables]


class RecordedEvaluation:
    """One evaluation of `func(t, y, tensors)`, kept to be differentiated once."""

    def __init__(self, func, t, y, sources: Sources):
        self._sources = sources
        # Copies made here: a tape inside a loop does not see tensors from outside it.
        self._t, self._y = tf.identity(t), [tf.identity(x) for x in y]
        self._tensors = [tf.identity(x) for x in sources.tensors]
        self._tape = tf.GradientTape(watch_accessed_variables=False)
        with self._tape as tape:
            tape.watch(self._y)
            if sources.times:
                tape.watch(self._t)
            tape.watch(self._tensors)
            for variable in sources.variables:
                tape.watch(variable)
            self.value = func(self._t, self._y, self._tensors)

    def vjp(self, cotangent, with_sources: bool = True):
        """Returns `(y_bar, source_bars, t_bar)` for the cotangent of the value.

        `source_bars` is `[]` unless `with_sources`; `t_bar` is `None` unless the
        derivative in t is wanted.
        """
        sources = self._sources
        others = [*self._tensors, *sources.variables] if with_sources else []
        targets = self._y + others + ([self._t] if sources.times else [])
        bars = self._tape.gradient(
            self.value,
            targets,
            output_gradients=cotangent,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        bars = [tf.convert_to_tensor(bar) for bar in bars]  # may be IndexedSlices
        n = len(self._y)
        t_bar = bars[-1] if sources.times else None
        return bars[:n], bars[n : n + len(others)], t_bar
