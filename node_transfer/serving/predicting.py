"""A trained model says what it sees in image files."""

import dataclasses
import itertools
import numbers
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.special

from node_transfer.data.image_files import UnreadableImageError, read_image
from node_transfer.errors import UserError
from node_transfer.models.transfer_classifier import TransferClassifier
from node_transfer.resizing import resized
from node_transfer.serving.image_paths import image_paths, stands_for_nothing
from node_transfer.serving.opening import open_model
from node_transfer.training.evaluation import failures_told
from node_transfer.training.saved_model import change_solver

BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes:
        path: The file.
        classes: Names of the most probable classes, that first; numbers, as strings,
            where the model knows no names.
        probabilities: Theirs, from 0 to 1.
        error: Why the file could not be read; `None`: it could. The two above are empty
            then.
    """

    path: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    error: str | None = None


def predict(
    model: str | os.PathLike | TransferClassifier,
    paths: Iterable[str | os.PathLike],
    *,
    top: int = 1,
    batch_size: int = BATCH_SIZE,
    rtol: float | None = None,
    atol: float | None = None,
    method: str | None = None,
    num_steps: int | None = None,
) -> list[Prediction]:
    """Predicts the classes of image files.

    Args:
        model: A run directory, a `.keras` file, or a model.
        paths: Files, folders (with all images below) and patterns such as `photos/*.jpg`.
        top: How many classes of each image to return.
        batch_size: Images at a time; one solve serves a batch, so probabilities depend
            on it, within the solver's tolerance.
        rtol, atol, method, num_steps: Changes to the ODE block's solver, which a model
            that is given keeps; `None` leaves it.

    Returns:
        One for each file, in the order of `paths`. A file that cannot be read has an
        `error`.

    Raises:
        UserError: The model cannot be had, has no such solver, or an ODE could not be
            solved.

    Example:

    >>> found = predict("results/runs/mine", ["photos/"], top=2)
    >>> len(found[0].classes), found[0].error
    (2, None)
    """
    solver = {"rtol": rtol, "atol": atol, "method": method, "num_steps": num_steps}
    return list(predictions(model, paths, top=top, batch_size=batch_size, **solver))


def predictions(
    model: str | os.PathLike | TransferClassifier,
    paths: Iterable[str | os.PathLike],
    *,
    top: int = 1,
    batch_size: int = BATCH_SIZE,
    **solver,
) -> Iterator[Prediction]:
    """Yields what `predict` returns, two batches of images in memory at a time."""
    for name, value in (("top", top), ("batch_size", batch_size)):
        if not isinstance(value, numbers.Integral) or value < 1:
            raise UserError(f"{name} is {value!r}: pass a whole number, 1 or more.")
    model, names = open_model(model)
    change_solver(model, **solver)
    with ThreadPoolExecutor() as pool:  # Pillow decodes without holding Python's lock
        batches = _batches(image_paths(paths), batch_size)
        reading = _start_reading(pool, model, next(batches, None))
        while reading is not None:
            files, images = reading[0], list(reading[1])
            reading = _start_reading(pool, model, next(batches, None))
            yield from _of_batch(model, names, files, images, top)


def _batches(files: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(itertools.islice(files, size)):
        yield batch


def _start_reading(pool: ThreadPoolExecutor, model, files: list[str] | None):
    """Returns the files, and their images as these become ready; `None`: no files."""
    if files is None:
        return None
    return files, pool.map(lambda path: _read(model, path), files)


def _read(model, path: str) -> np.ndarray | UnreadableImageError:
    """Returns an image of the size that the model takes."""
    try:
        image = read_image(path)
    except UnreadableImageError as error:
        nothing = stands_for_nothing(path)
        return UnreadableImageError(path, nothing) if nothing else error
    if model.resizing is None:
        return image
    size = model.resizing.height, model.resizing.width
    return np.asarray(resized(image, size, model.resizing.how))


def _of_batch(model, names, files, images, top: int) -> Iterator[Prediction]:
    """Yields the predictions of a batch, those of one size in one call of the model."""
    by_shape = {}
    for place, image in enumerate(images):
        if not isinstance(image, UnreadableImageError):
            by_shape.setdefault(image.shape, []).append(place)
    probabilities = {}
    for places in by_shape.values():
        with failures_told():
            logits = model.predict_on_batch(np.stack([images[i] for i in places]))
        rows = scipy.special.softmax(logits.astype(np.float64), axis=-1)
        probabilities.update(zip(places, rows, strict=True))
    for place, (path, image) in enumerate(zip(files, images, strict=True)):
        if place not in probabilities:
            yield Prediction(path, error=image.reason)
            continue
        row = probabilities[place]
        best = np.argsort(-row, kind="stable")[:top]
        yield Prediction(
            path, tuple(names[i] for i in best), tuple(float(row[i]) for i in best)
        )
