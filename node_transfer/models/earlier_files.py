"""Weights files from before the classifier was a functional model."""

import collections
import io
import re

import h5py
import keras

PARTS = ("backbone", "block", "head")


def rearrange(store, model: keras.Model) -> None:
    """Puts the parts of an earlier classifier's file where Keras looks for them now.

    Keras keeps the layers of a functional model under `layers`, by class; those of any
    other model by attribute. In an earlier file the parts are given both places. (Keras
    finds them at the second of its own accord, but only after it has warned, layer by
    layer, that it did not at the first.)

    Args:
        store: What Keras passes to `load_own_variables` of the model.
        model: The classifier that is being loaded.
    """
    earlier = getattr(store, "h5_file", None)
    if earlier is None or "head" not in earlier:
        return
    file = h5py.File(io.BytesIO(), "w")
    for name in earlier:
        earlier.copy(name, file)
    places = _places(model)
    for part in PARTS:
        if part in file:
            file[f"layers/{places[id(getattr(model, part))]}"] = file[part]
    store.h5_file = file
    earlier.close()


def _places(model: keras.Model) -> dict[int, str]:
    """Each layer's name under `layers`, by its id: `dense`, `dense_1`, of one class."""
    names: dict[int, str] = {}
    seen: collections.Counter[str] = collections.Counter()
    for layer in model.layers:
        name = _snake_case(type(layer).__name__)
        names[id(layer)] = f"{name}_{seen[name]}" if seen[name] else name
        seen[name] += 1
    return names


def _snake_case(name: str) -> str:
    """`GlobalAveragePooling2D` as Keras writes it: `global_average_pooling2d`."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
