"""Dynamics that several ODE layers integrate, with one set of weights."""

import contextlib
import warnings
import weakref
from collections.abc import Iterator

import keras
from keras.src.backend.common import global_state

# Dynamics to the layers that integrate them: a file must say where they are the same.
_USERS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def note(dynamics: keras.layers.Layer, layer: keras.layers.Layer) -> None:
    """Notes that a layer integrates these dynamics."""
    _USERS.setdefault(dynamics, weakref.WeakSet()).add(layer)


def is_shared(dynamics: keras.layers.Layer) -> bool:
    """Whether several layers integrate them."""
    return len(_USERS[dynamics]) > 1


def warn_of_copy(config: dict, name: str | None) -> None:
    """Warns where the copy of a layer has dynamics of its own, and the layer did not.

    Keras keeps what layers share where it loads a file, and not in `clone_model` and
    `from_config`, which make each layer by itself.

    Args:
        config: Of the dynamics.
        name: Of the layer.
    """
    loading = global_state.get_global_attribute("shared_objects/id_to_obj_map")
    if "shared_object_id" in config and loading is None:
        warnings.warn(
            f"The layer {name!r} shares its dynamics with another layer, and its copy "
            "has dynamics of its own: copy the model by copy.deepcopy, which keeps "
            "what its layers share.",
            stacklevel=3,
        )


@contextlib.contextmanager
def widths_told(dynamics, layer, shape) -> Iterator[None]:
    """Says of dynamics that cannot be called that another layer has built them for a
    state of another shape, where it has."""
    try:
        yield
    except ValueError as error:
        for other in _USERS[dynamics]:
            theirs = (other.get_build_config() or {}).get("input_shape")
            if other is not layer and theirs and theirs[1:] != tuple(shape)[1:]:
                raise ValueError(
                    f"The dynamics {dynamics.name!r} were built by the layer "
                    f"{other.name!r} for a state of shape {theirs}, and that of "
                    f"{layer.name!r} has shape {tuple(shape)}: give each layer dynamics "
                    "of its own."
                ) from error
        raise
