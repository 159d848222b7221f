"""Loading saved models, with an answer for each way that it can go wrong."""

import os
import re
import zipfile
from pathlib import Path

import keras

from node_transfer import durable
from node_transfer.errors import UserError, first_line
from node_transfer.models import transfer_classifier  # noqa: F401 (Keras finds its class)
from node_transfer.models.blocks import import_layers

# What Keras says of some models, and what that means.
_COMPLAINTS = (
    (
        r"of a `(\w+)`.* arbitrary code execution",
        r"has a \1, which could run any program, and so is not loaded: pass one without",
    ),
    (
        r"Not allowed: (?:ZIP member|H5 dataset) '(.+)' declares (\S+ \S+) but",
        r"has \1, which would unpack to \2, and so is not loaded: pass one from a source "
        "that you trust",
    ),
    (
        r"objects could not be loaded\. Example .* for object <(\w+) name=(\w+)",
        r"has no weights that fit its layer \2 (\1), so it is damaged, or was put "
        "together from two models: pass a file as model.save wrote it",
    ),
)


def load_model(path, compile: bool = False) -> keras.Model:
    """Loads a model saved by Keras, `.keras` format.

    Args:
        path: The file.
        compile: Whether to restore the optimizer too, to train on.

    Raises:
        UserError: The file is missing, truncated, or not a saved Keras model, or has a
            class or function of a package that is not imported.

    Example:

    >>> keras.Sequential([keras.Input([20]), ResidualLayer(64)]).save("small.keras")
    >>> load_model("small.keras").count_params()
    2644
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
        unknown, registered = _unknown_name(str(error))
        if registered:
            raise UserError(
                f"The model in {path!r} is made with {unknown}, which Keras does not "
                "know: import the package that defines it before loading."
            ) from error
        if unknown:
            raise UserError(
                f"The model in {path!r} is made with {unknown}, which was not registered "
                "with Keras: load it within keras.saving.custom_object_scope, and "
                "decorate it with keras.saving.register_keras_serializable before it is "
                "saved again."
            ) from error
        for pattern, complaint in _COMPLAINTS:
            if found := re.search(pattern, str(error)):
                raise UserError(
                    f"The model in {path!r} {found.expand(complaint)}."
                ) from error
        raise UserError(
            f"The file {path!r} could not be loaded as a Keras model "
            f"({first_line(error)}): pass a file that model.save wrote to its end, with "
            "a matching version of Keras."
        ) from error


def _unknown_name(message: str) -> tuple[str | None, bool]:
    """What Keras did not find, "the class 'package>Name'", and whether it was registered;
    `None`: another complaint."""
    found = re.search(r"Could not locate (class|function) '([^']+)'", message)
    if not found:
        return None, False
    kind, name = found.groups()
    full = re.search(rf"'registered_name': '([^']+>{re.escape(name)})'", message)
    name = full[1] if full else name
    return f"the {kind} '{name}'", ">" in name


def save_model(model: keras.Model, path) -> None:
    """Saves a model so that the file is either whole or not there, power cuts included.

    Raises:
        UserError: The file cannot be written.
    """
    path = Path(path)
    with durable.written_aside(path) as partial:
        model.save(partial)
        durable.publish(partial, path)
