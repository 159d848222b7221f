"""How dynamics are called: with the time or without, with a context or without."""

import dataclasses
import inspect

import keras
import tensorflow as tf

from node_transfer.layers.function_dynamics import FunctionDynamics

TIME_NAMES = ("t", "time")
# What Keras gives to a layer's call of its own accord.
_GIVEN_BY_KERAS = ("training", "mask")
HOW_TO_WRITE = (
    "write call(self, t, h), or call(self, h) where the time does not matter, with a "
    "further argument context where there is one"
)


@dataclasses.dataclass(frozen=True)
class Convention:
    """What dynamics are called with.

    Attributes:
        takes_time: Whether the first argument is the time.
        context: Name of the argument for the context; `None`: there is none.
        needs_context: Whether they cannot be called without a context.
        time_rank: Rank of the time as a functional model's input; such a model is called
            with a list. `None` for all others, called with a scalar time.
    """

    takes_time: bool
    context: str | None = None
    needs_context: bool = False
    time_rank: int | None = None

    @classmethod
    def of(cls, dynamics: keras.layers.Layer) -> "Convention":
        """The convention that a layer's signature, or a model's inputs, ask for.

        Raises:
            ValueError: Dynamics are not called so.
        """
        if isinstance(dynamics, keras.Sequential):
            return cls(takes_time=False)
        if isinstance(dynamics, keras.Model) and getattr(dynamics, "inputs", None):
            return cls._of_inputs(dynamics)
        function = dynamics.call
        if isinstance(dynamics, FunctionDynamics):
            function = dynamics.function
        return cls._of_signature(function, dynamics.name)

    @classmethod
    def _of_inputs(cls, model: keras.Model) -> "Convention":
        inputs = model.inputs
        if len(inputs) > 3 or isinstance(model.input, dict):
            raise ValueError(
                f"The dynamics {model.name!r} have the inputs "
                f"{[x.name for x in inputs]}: make the model of h, of [t, h], or of "
                "[t, h, context]."
            )
        rank = len(inputs[0].shape)
        if len(inputs) == 1:
            return cls(takes_time=False)
        if any(n not in (None, 1) for n in inputs[0].shape):
            raise ValueError(
                f"The dynamics {model.name!r} have a first input of shape "
                f"{inputs[0].shape}: make it keras.Input((1,)), for the time, and the "
                "state the second input."
            )
        has_context = len(inputs) == 3
        return cls(True, "context" if has_context else None, has_context, rank)

    @classmethod
    def _of_signature(cls, function, name: str) -> "Convention":
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # some functions in C have none
            return cls(takes_time=True)
        parameters = [
            p for p in signature.parameters.values() if p.name not in _GIVEN_BY_KERAS
        ]
        positional = [
            p
            for p in parameters
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        state = [p for p in positional if p.name != "context"]
        required = [p for p in state if p.default is p.empty]
        context = [p for p in parameters if p.name == "context"] or required[2:3]
        number = len(required) or len(state)
        if any(p.kind == p.VAR_POSITIONAL for p in parameters):
            number = number or 2
        elif number == 1 and required and required[0].name in TIME_NAMES:
            number = len(state)
        names = [p.name for p in positional]
        misplaced = [n for n in names[1:2] if n in TIME_NAMES and names[0] != "t"]
        lonely_time = number == 1 and names[:1] and names[0] in TIME_NAMES
        if not 1 <= number <= 3 or misplaced or lonely_time:
            raise ValueError(
                f"The dynamics {name!r} take ({', '.join(names)}): {HOW_TO_WRITE}."
            )
        return cls(
            takes_time=number > 1,
            context=context[0].name if context else None,
            needs_context=bool(context) and context[0].default is inspect.Parameter.empty,
        )

    def check_context(self, dynamics: keras.layers.Layer, given: bool) -> None:
        """Raises a `ValueError` where a context is missing, or has nowhere to go."""
        if given and self.context is None:
            raise ValueError(
                f"The dynamics {dynamics.name!r} take no context, and one is given: give "
                "them an argument context, as in call(self, t, h, context)."
            )
        if not given and self.needs_context:
            raise ValueError(
                f"The dynamics {dynamics.name!r} need a context: call the layer as "
                "layer(h, context=...)."
            )

    def call(self, dynamics: keras.layers.Layer, t, h, context=None):
        """The value of the dynamics at `(t, h)`, and in a context if there is one.

        Args:
            dynamics: The dynamics.
            t: The time, a scalar, or one for each sample, `(batch, 1, ...)`.
            h: The state.
            context: What they are given beside it.
        """
        if self.time_rank is not None:
            given = [] if context is None else [context]
            return dynamics([self._time_like(t, h), h, *given])
        inputs = (t, h) if self.takes_time else (h,)
        if context is None or self.context is None:
            return dynamics(*inputs)
        return dynamics(*inputs, **{self.context: context})

    def _time_like(self, t, h):
        """The time as a functional model's input: one for each example."""
        if self.time_rank == 0:
            return t
        ones = [1] * (self.time_rank - 1)
        if t.shape.rank:  # one for each sample already
            return tf.reshape(t, [-1, *ones])
        return tf.broadcast_to(t, [tf.shape(h)[0], *ones])

    def build(self, dynamics: keras.layers.Layer, h_shape, context_shape=None) -> None:
        """Makes the weights of dynamics that have a `build` of their own for it.

        One argument is the state's shape, two are those of time and state, and a third
        is the context's.
        """
        if dynamics.built or getattr(dynamics.build, "_is_default", False):
            return
        shapes = [(), h_shape] if self.takes_time else [h_shape]
        if context_shape is not None:
            shapes.append(context_shape)
        parameters = list(inspect.signature(dynamics.build).parameters.values())
        if len(parameters) == 1 and parameters[0].kind != parameters[0].VAR_POSITIONAL:
            shapes = [h_shape]
        elif len(parameters) < len(shapes):
            shapes = shapes[: len(parameters)]
        dynamics.build(*shapes)
