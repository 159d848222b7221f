"""Weights files from before the classifier was a functional model."""

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
    for part in PARTS:
        if part in file:
            name = _snake_case(type(getattr(model, part)).__name__)
            file[f"layers/{name}"] = file[part]
    store.h5_file = file
    earlier.close()


def _snake_case(name: str) -> str:
    """`GlobalAveragePooling2D` as Keras writes it: `global_average_pooling2d`."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
