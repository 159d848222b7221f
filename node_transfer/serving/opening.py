"""A trained model, and what its classes are called."""

import os
from collections.abc import Sequence
from pathlib import Path

import keras

from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.runs.directory import RunDirectory
from node_transfer.runs.fields import check_path
from node_transfer.training.build import check_classifier, load_classifier


def open_model(
    model: str | os.PathLike | TransferClassifier,
) -> tuple[TransferClassifier, tuple[str, ...]]:
    """Returns a model and the names of its classes.

    They are the model's own, else those in the record of its run, else the numbers of the
    classes.

    Args:
        model: A run directory, a `.keras` file, or a model.

    Raises:
        UserError: There is no such model, or it is no `TransferClassifier`.
    """
    recorded = None
    if isinstance(model, keras.Model):
        check_classifier(model, "The model")
    else:
        path = os.fspath(model)
        check_path("model", path)
        model = load_classifier(path)
        recorded = _recorded_names(path, model.num_classes)
    numbers = tuple(str(label) for label in range(model.num_classes))
    return model, model.class_names or recorded or numbers


def _recorded_names(path: str, count: int) -> tuple[str, ...] | None:
    """The names in the record of the run that a model is of, if there is one."""
    run = RunDirectory(path if os.path.isdir(path) else Path(path).parent)
    data = run.read_config().get("data") if run.described else None
    names = data.get("class_names") if isinstance(data, dict) else None
    known = isinstance(names, Sequence) and not isinstance(names, str)
    return tuple(map(str, names)) if known and len(names) == count else None
