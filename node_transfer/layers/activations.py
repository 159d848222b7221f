"""Activations by name: those of Keras, and sin, which Keras has none of."""

from collections.abc import Callable

import keras
from keras import ops


def sin(x):
    """The sine: smooth and bounded, with derivatives of every order within [-1, 1].

    Reference: Sitzmann et al. (2020), Implicit Neural Representations with Periodic
    Activation Functions, arXiv:2006.09661.
    """
    return ops.sin(x)


_OWN = {"sin": sin}


def get(activation: str | Callable) -> Callable:
    """Returns an activation from its name, or itself; as `keras.activations.get`."""
    if isinstance(activation, str) and activation in _OWN:
        return _OWN[activation]
    return keras.activations.get(activation)


def serialize(activation: Callable):
    """What `get` makes the activation of again; as `keras.activations.serialize`."""
    for name, function in _OWN.items():
        if activation is function:
            return name
    return keras.activations.serialize(activation)
