"""Dynamics that are a plain function."""

import types
from collections.abc import Callable

import keras


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

    def call(self, *inputs, **context):
        return self.function(*inputs, **context)

    def get_config(self):
        if not _can_be_found(self.function):
            raise ValueError(
                f"The dynamics {self.name!r} are the function {self.function!r}, which "
                "cannot be saved: make it a named function and decorate it with "
                "keras.saving.register_keras_serializable."
            )
        function = keras.saving.serialize_keras_object(self.function)
        return {**super().get_config(), "function": function}

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        function = keras.saving.deserialize_keras_object(config.pop("function"))
        return cls(function, **config)


def _can_be_found(function: Callable) -> bool:
    """Whether Keras finds the function again by what a file says of it."""
    if not isinstance(function, types.FunctionType) or function.__name__ == "<lambda>":
        return False
    try:
        config = keras.saving.serialize_keras_object(function)
        return keras.saving.deserialize_keras_object(config) is function
    except (TypeError, ValueError):
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
