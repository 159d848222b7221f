"""What Keras hands down to the layers within a call: `training`, and others like it."""

import contextlib

import keras


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
