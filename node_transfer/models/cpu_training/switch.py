"""Whether layers that were prepared compute by quicker operations."""

import contextlib
import contextvars
from collections.abc import Iterator

import keras
import tensorflow as tf

_quick = contextvars.ContextVar("quick", default=False)


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """Within it they do, where there is no GPU."""
    token = _quick.set(not tf.config.get_visible_devices("GPU"))
    try:
        yield
    finally:
        _quick.reset(token)


def is_quick() -> bool:
    """Whether what is called now is within `quick`."""
    return _quick.get()


def may_replace(layer: keras.layers.Layer, method: str, ours: type) -> bool:
    """Whether a layer's method is that of its class, or ours already: not its user's."""
    return isinstance(vars(layer).get(method), (type(None), ours))
