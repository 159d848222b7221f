"""Dynamics that are a plain function."""

import inspect
from collections.abc import Callable

import keras

from node_transfer.layers import named_functions


@keras.saving.register_keras_serializable(package="node_transfer")
class FunctionDynamics(keras.layers.Layer):
    """A function of `(t, h)`, or of `h`, as a layer without weights.

    `ODELayer` makes one of every function that it is given.

    Args:
        function: The function. Saving keeps its name, so it must be one that Keras
            finds by name: one registered by `keras.saving.register_keras_serializable`.
        **kwargs: Passed to `keras.layers.Layer`.

    Raises:
        ValueError: Its config is asked for, as in saving, and the function has no name
            that Keras finds.
    """

    def __init__(self, function: Callable, **kwargs):
        super().__init__(**kwargs)
        self.function = function
        self.supports_masking = True
        self._takes_training = _takes(function, "training")

    def call(self, *inputs, training=False, **context):
        if self._takes_training:
            context["training"] = training
        return self.function(*inputs, **context)

    def get_config(self):
        named_functions.check(self.function, f"The dynamics {self.name!r} are")
        function = keras.saving.serialize_keras_object(self.function)
        return {**super().get_config(), "function": function}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        function = keras.saving.deserialize_keras_object(config.pop("function"))
        return cls(function, **config)


def _takes(function: Callable, name: str) -> bool:
    """Whether a function has an argument of that name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some functions in C have no signature
        return False


def as_layer(dynamics: keras.layers.Layer | Callable) -> keras.layers.Layer:
    """Dynamics as a Keras layer: themselves, or a function wrapped in one.

    Raises:
        ValueError: They are neither.
    """
    if isinstance(dynamics, keras.layers.Layer):
        return dynamics
    if isinstance(dynamics, type) or not callable(dynamics):
        raise ValueError(
            f"dynamics is {dynamics!r}: pass a Keras layer, a model, or a function of "
            "(t, h)."
        )
    return FunctionDynamics(dynamics)
