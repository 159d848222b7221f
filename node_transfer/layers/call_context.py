"""What Keras hands down to the layers within a call: `training`, and others like it."""

import contextlib

import keras
from keras.src.backend.common import global_state

SCOPE = "autocast_scope"  # Keras's: the dtype that variables are read in


@contextlib.contextmanager
def variables_as_they_are():
    """Variables are read in their own dtype, as where no policy is mixed.

    Within the call of a model Keras does about that for a layer of `autocast=False`: a
    variable's `dtype` is then said to be float32. It does not where the layer is called
    alone, or in a model of another policy.
    """
    before = global_state.get_global_attribute(SCOPE)
    global_state.set_global_attribute(SCOPE, None)
    try:
        yield
    finally:
        global_state.set_global_attribute(SCOPE, before)


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
