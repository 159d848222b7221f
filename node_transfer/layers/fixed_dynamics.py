"""The dynamics as one and the same function for a whole solve and its gradient."""

import functools

import keras
import tensorflow as tf

from node_transfer.layers import call_context
from node_transfer.layers.calling import Convention
from node_transfer.ode.problem import LowRankFunction
from node_transfer.ode.tensors import has_gradient


class FixedDynamics:
    """The right-hand side `f(t, h)` of one solve.

    A solve and its gradient evaluate f many times, and the gradient does it when the
    layer's call is over. All of them are one function: what Keras's call context holds
    now (`training` and the like) it holds in each of them, and every state of the
    dynamics that is not trained (a seed, a moving statistic) is as it is now. What an
    evaluation assigns to a variable it reads back itself, and nobody else does.

    Args:
        dynamics: The dynamics, built.
        convention: How they are called.
        context: Tensor, or nested structure of tensors, that is given to them; `None`:
            nothing.
        mask: Keras mask of the state, or `None`.
        training: Whether the call is one of training.
        assigned: Ids of the variables that the dynamics assign to; trainable ones among
            them are held fixed, too, and a gradient still reaches them.

    Attributes:
        constants: For `solve`: the tensors that a gradient is to reach.
        has_moved: Whether an evaluation so far has assigned to a variable.
    """

    def __init__(
        self, dynamics, convention: Convention, context, mask, training, assigned
    ):
        self._dynamics, self._convention, self._mask = dynamics, convention, mask
        self._call_context = call_context.values(dynamics) | {"training": training}
        still = [*dynamics.non_trainable_variables, *dynamics.metrics_variables]
        # A frozen weight is a `tf.Variable` that every tape watches all the same.
        self._still = [(v, tf.stop_gradient(v.value)) for v in still]
        self._weights = [v for v in dynamics.trainable_variables if id(v) in assigned]
        self._context = context
        self.constants = {
            "context": [x for x in tf.nest.flatten(context) if _has_gradient(x)],
            "weights": [tf.convert_to_tensor(v.value) for v in self._weights],
        }
        self.has_moved = False

    def low_rank(self, dtype: tf.DType) -> LowRankFunction | None:
        """The same function by its factors, where the dynamics can tell them.

        They can in their own class alone, and with all that they compute in one dtype.
        """
        dynamics = self._dynamics
        if "low_rank" not in vars(type(dynamics)) or self._weights:
            return None
        still = {id(v): tensor for v, tensor in self._still}
        function = dynamics.low_rank(
            lambda v: still.get(id(v), tf.convert_to_tensor(v.value))
        )
        if function is None:
            return None
        kinds = {x.dtype for x in tf.nest.flatten(function.constants)}
        if kinds != {dtype} or dynamics.compute_dtype != dtype.name:
            return None  # also where Keras casts weights for the layer that is called
        function.inner = functools.partial(self._noting, self._still, function.inner)
        return function

    def __call__(self, t, h, context, weights):
        """The value at `(t, h)`, given `constants`."""
        values = [*self._still, *zip(self._weights, weights, strict=True)]
        return self._noting(values, self._evaluate, t, h, context)

    def _noting(self, values, function, *args):
        """A function's value with variables held; notes whether it assigns to one."""
        with _Still(values) as scope, self._holding():
            before = dict(scope.state_mapping)
            result = function(*args)
            after = scope.state_mapping
            self.has_moved |= any(before.get(key) is not after[key] for key in after)
        return result

    def move_on(self, t, h) -> None:
        """Evaluates once at `(t, h)` with all that this does to the dynamics' state."""
        with self._holding():
            self._evaluate(t, tf.stop_gradient(h), self.constants["context"])

    def _holding(self):
        """Keras's call context as it was when the solve began."""
        return call_context.holding(self._dynamics, **self._call_context)

    def _evaluate(self, t, h, floating):
        if self._mask is not None:
            h = tf.identity(h)
            h._keras_mask = self._mask
        floating = iter(floating)
        context = tf.nest.map_structure(
            lambda x: next(floating) if _has_gradient(x) else x, self._context
        )
        return self._convention.call(self._dynamics, t, h, context)


class _Still(keras.StatelessScope):
    """Variables that have the values given here, or those of the scope around it."""

    def get_current_value(self, variable):
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            return self.original_scope.get_current_value(variable)
        return value


def _has_gradient(x) -> bool:
    return tf.is_tensor(x) and has_gradient(x)
