"""What Keras hands down to the layers within a call: `training`, and others like it."""

import contextlib

import keras
from keras.src.backend import AutocastScope


def variables_as_they_are() -> AutocastScope:
    """A context in which variables are read in their own dtype.

    Within the call of a model Keras sees to it for a layer of `autocast=False`; it does
    not where the layer is called alone, or in a model of another policy.
    """
    return AutocastScope(None)


def values(layer: keras.layers.Layer) -> dict:
    """What the call that is going on hands down to the layer, by name."""
    context = layer._get_call_context()
    layer._maybe_reset_call_context()  # where there was none
    return {k: v for k, v in vars(context).items() if k != "entry_layer"}


@contextlib.contextmanager
def holding(layer: keras.layers.Layer, **values):
    """Hands these values down to the layer, within a call or without one.

    A layer that is called with `training=` of its own leaves that to those called after
    it: here all is as it was in the end.
    """
    context = layer._get_call_context()
    before = dict(vars(context))
    try:
        for name, value in values.items():
            context.set_value(name, value)
        yield
    finally:
        vars(context).clear()
        vars(context).update(before)
        layer._maybe_reset_call_context()
