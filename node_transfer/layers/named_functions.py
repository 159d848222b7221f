"""Functions that a file can name."""

import types
from collections.abc import Callable

import keras


def check(function: Callable, what: str) -> None:
    """Raises a `ValueError` where Keras would not find the function again.

    Args:
        function: The function that is to be saved by its name.
        what: What it is of whom: the start of the sentence.
    """
    if not _is_found_again(function):
        raise ValueError(
            f"{what} the function {function!r}, which cannot be saved: make it a named "
            "function and decorate it with keras.saving.register_keras_serializable."
        )


def _is_found_again(function: Callable) -> bool:
    """Whether Keras finds the function again by what a file says of it."""
    if not isinstance(function, types.FunctionType) or function.__name__ == "<lambda>":
        return False
    try:
        config = keras.saving.serialize_keras_object(function)
        return keras.saving.deserialize_keras_object(config) is function
    except (TypeError, ValueError):
        return False
