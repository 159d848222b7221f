"""Keras must be Keras 3 on TensorFlow: says so, in one sentence, where it is not."""

import json
import os
import sys
from pathlib import Path


class WrongBackend(ImportError):
    """Keras runs on something else than the library can use."""


def check(settings_file: bool = False) -> None:
    """Checks which backend Keras has, or is going to have when it is imported.

    A program that nobody stops from ending by what is raised here ends with the sentence
    alone, and exit code 1.

    Args:
        settings_file: Whether Keras's own file of settings counts. It does not for the
            commands, which choose TensorFlow where the environment leaves it open.

    Raises:
        WrongBackend: It is not TensorFlow, or `tf.keras` is the Keras of before 3.
    """
    backend = os.environ.get("KERAS_BACKEND")
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "config"):  # not while it is imported
        backend = keras.config.backend()
    elif not backend and settings_file:
        backend = _backend_in_settings_file()
    if backend and backend != "tensorflow":
        _refuse(
            "node-transfer needs Keras on TensorFlow, and Keras's backend is "
            f"{backend!r}: set KERAS_BACKEND=tensorflow before Keras is imported."
        )
    if os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True"):  # as TensorFlow
        _refuse(
            "node-transfer needs Keras 3, and TF_USE_LEGACY_KERAS makes tf.keras the "
            "Keras of before: unset TF_USE_LEGACY_KERAS."
        )


def _backend_in_settings_file() -> str | None:
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        return json.loads((Path(home) / "keras.json").read_text()).get("backend")
    except (OSError, ValueError, AttributeError):
        return None  # as Keras, which then has its default


def _refuse(sentence: str):
    hook = sys.excepthook

    def without_traceback(kind, error, traceback):
        if kind is WrongBackend:
            print(f"Error: {error}", file=sys.stderr)
        else:
            hook(kind, error, traceback)

    sys.excepthook = without_traceback
    raise WrongBackend(sentence)
