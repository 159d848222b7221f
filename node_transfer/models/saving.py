"""Loading saved models, with an answer for each way that it can go wrong."""

import os
import zipfile

import keras

from node_transfer.errors import UserError, first_line
from node_transfer.models import transfer_classifier  # noqa: F401 (Keras finds its class)
from node_transfer.models.blocks import import_layers


def load_model(path, compile: bool = False) -> keras.Model:
    """Loads a model saved by Keras, `.keras` format.

    Args:
        path: The file.
        compile: Whether to restore the optimizer too, to train on.

    Raises:
        UserError: The file is missing, truncated, or not a saved Keras model.
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise UserError(
            f"There is no model file {path!r}: pass a run directory or the path of a "
            ".keras file."
        )
    if not path.endswith(".keras") or not zipfile.is_zipfile(path):
        raise UserError(
            f"The file {path!r} is not a saved Keras model, or only the start of one: "
            "pass a .keras file that model.save wrote to its end."
        )
    import_layers()
    try:
        return keras.saving.load_model(path, compile=compile)
    except Exception as error:  # zipfile, h5py, json and Keras raise many kinds here
        raise UserError(
            f"The file {path!r} could not be loaded as a Keras model "
            f"({first_line(error)}): pass a file that model.save wrote to its end, with "
            "a matching version of Keras."
        ) from error


def save_model(model: keras.Model, path) -> None:
    """Saves a model so that the file is either whole or not there."""
    path = os.fspath(path)
    partial = f"{path.removesuffix('.keras')}.partial.keras"
    model.save(partial)
    os.replace(partial, path)
