"""Evaluation of a saved model, given its run directory or its file."""

import functools
import json

from tabulate import tabulate

from node_transfer.data.damage import damage_told
from node_transfer.data.loading import load_data
from node_transfer.errors import UserError
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.directory import CONFIG
from node_transfer.runs.fields import check_path
from node_transfer.runs.inputs import run_of_model
from node_transfer.runs.places import FOLDER, place_of
from node_transfer.training import evaluation, per_class, start
from node_transfer.training.build import load_classifier, unlike_names
from node_transfer.training.solver_sweep import sweep_solvers


def evaluate_saved(
    path: str,
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str = "test",
    batch_size: int | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    method: str | None = None,
    num_steps: int | None = None,
) -> dict:
    """Loads a model, evaluates it, and prints a table and a line of JSON.

    Args:
        path: A run directory, or a `.keras` file.
        dataset, data_dir: The images; `None`: those of the run.
        split: `"train"`, `"validation"` or `"test"`.
        batch_size: Examples a batch; `None`: see `evaluation.batch_size_of`.
        rtol, atol, method, num_steps: Changes to the ODE block's solver; `None` leaves
            it.

    Returns:
        The content of the line of JSON: what `evaluation.evaluate` returns, and what was
        evaluated.

    Raises:
        UserError: The model or the data cannot be had, or do not fit together.
    """
    model, data = open_saved(path, dataset, data_dir)
    change_solver(model, rtol, atol, method, num_steps)
    batch_size = batch_size or _batch_size_of(path)
    with damage_told(data.name):
        result = evaluation.evaluate(model, data, split, batch_size)
    result |= {"model": path, "dataset": data.name, "split": split}
    whole = {name: value for name, value in result.items() if name != "classes"}
    print(tabulate(whole.items(), headers=("", "value"), disable_numparse=True))
    print(f"\n{per_class.table(result['classes'])}\n")
    print(json.dumps(result), flush=True)
    return result


def change_solver(model, rtol=None, atol=None, method=None, num_steps=None) -> None:
    """Changes a model's solver as it is asked for, and does nothing where nothing is.

    Raises:
        UserError: The model has no ODE block, or the settings do not go together.
    """
    if all(value is None for value in (rtol, atol, method, num_steps)):
        return
    try:
        evaluation.change_solver(model, rtol, atol, method, num_steps)
    except ValueError as error:
        raise UserError(str(error)) from error


def sweep_saved(
    path: str,
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    split: str = "test",
    batch_size: int | None = None,
) -> list[dict]:
    """Loads a model and returns `solver_sweep.sweep_solvers` of it, and on what.

    Args and errors: as in `evaluate_saved`.
    """
    model, data = open_saved(path, dataset, data_dir)
    batch_size = batch_size or _batch_size_of(path)
    with damage_told(data.name):
        rows = sweep_solvers(model, data, split, batch_size=batch_size)
    return [{**row, "dataset": data.name, "split": split} for row in rows]


def _batch_size_of(path: str) -> int:
    run = run_of_model(path)
    return evaluation.batch_size_of(run.read_experiment() if run else None)


def open_saved(path: str, dataset: str | None, data_dir: str | None):
    """Loads a model, and the images that it was trained with or others.

    Args:
        path, dataset, data_dir: As in `evaluate_saved`.

    Returns:
        `(model, data)`; the splits of the data are those of training, unless the images
        are others.

    Raises:
        UserError: As `evaluate_saved`.
    """
    check_path("model", path)
    model = load_classifier(path)
    run = run_of_model(path)
    trained = run.read_experiment() if run else None
    if trained and dataset is None:
        dataset = trained.dataset
    if dataset is None:
        raise UserError(
            f"The model {path!r} has no {CONFIG} beside it, so its dataset is not known: "
            "pass dataset= with its name."
        )
    split_as = {}
    if trained:  # a folder under another path is split as it was, too
        split_as = {
            "validation_fraction": trained.validation_fraction,
            "seed": trained.seed,
        }
    if trained and trained.dataset == dataset:
        data_dir = data_dir or trained.data_dir
    load = functools.partial(
        load_data, dataset, data_dir=data_dir, image_size=model.image_size,
        resize=model.resize, **split_as,
    )  # fmt: skip
    with damage_told(dataset):
        if trained and _one_place(trained, dataset, data_dir):
            data = load(train_examples=trained.train_examples)
        else:
            data = load()
            fewer = trained and trained.train_examples is not None
            if fewer and _moved(trained, dataset) and not start.other_data(run, data):
                data = load(train_examples=trained.train_examples)
    start.warn_of_unknown_split(path, dataset, data)
    if trained and (trained.dataset == dataset or _moved(trained, dataset)):
        start.warn_of_other_data(run, data.source)
    if model.num_classes != data.num_classes:
        raise UserError(
            f"The model {path!r} tells {model.num_classes} classes apart and {dataset!r} "
            f"has {data.num_classes}: pass dataset= with one that it was trained for."
        )
    unlike = unlike_names(model.class_names, data.class_names)
    if unlike:
        raise UserError(
            f"The classes of the model {path!r} are not those of {dataset!r} ({unlike}): "
            "pass dataset= with one that it was trained for."
        )
    return model, data


def _one_place(trained: ExperimentConfig, dataset: str, data_dir: str | None) -> bool:
    """Whether images are where those of a run were."""
    return place_of(trained.dataset, trained.data_dir) == place_of(dataset, data_dir)


def _moved(trained: ExperimentConfig, dataset: str) -> bool:
    """Whether images may be those of a run, in another place: both are folders."""
    return trained.dataset.startswith(FOLDER) and dataset.startswith(FOLDER)
