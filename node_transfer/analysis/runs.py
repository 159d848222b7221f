"""Reads run directories. Imports neither TensorFlow nor training."""

import contextlib
import dataclasses
from collections.abc import Collection
from pathlib import Path

import numpy as np

from node_transfer import checksums
from node_transfer.analysis.lineup import MODELS
from node_transfer.analysis.stability import CURVES
from node_transfer.errors import UserError
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.directory import CONFIG, HISTORY, METRICS, RunDirectory
from node_transfer.runs.sweep_folder import SweepFolder, run_name

# What tables and figures are made from.
NEEDED_OF_CONFIG = ("versions", "device", "data", "weights")
NEEDED_OF_METRICS = ("train", "validation", "test", "seconds")
NEEDED_OF_HISTORY = ("epoch", "seconds", "learning_rate", *CURVES)


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: Its folder; that of a sweep's run from the sweep's folder on.
        experiment: What was run, with the fields that were not recorded yet.
        config: `config.json`.
        metrics: `metrics.json`.
        history: Columns of `history.csv`: a name to one number an epoch.
        predictions: Arrays of `predictions.npz`, by name; `None` where it has none.
    """

    path: str
    experiment: ExperimentConfig
    config: dict
    metrics: dict
    history: dict[str, list[float]]
    predictions: dict[str, np.ndarray] | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs that it trained for."""
        return len(self.history["epoch"])


@dataclasses.dataclass(frozen=True)
class UnfinishedRun:
    """A run that goes on, or diverged: it is shown, and decides nothing.

    Attributes:
        path: Its folder, from the sweep's folder on.
        planned: Number of epochs that it is to have; `None` where its config cannot be
            read.
        history: As a finished run's; empty before its first whole epoch, and where
            `history.csv` cannot be read.
        diverged: How its training diverged, in a few words; `None`: it goes on.
    """

    path: str
    planned: int | None
    history: dict[str, list[float]]
    diverged: str | None = None

    @property
    def epochs(self) -> int:
        """Number of epochs that it has had so far."""
        return len(self.history.get("epoch", ()))


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The runs below one folder, `FOLDER/seed-S/NAME`.

    Attributes:
        runs: A name of `LINEUP` to a seed to the finished run.
        record: `sweep.json`, see `SweepFolder.read_record`.
        unfinished: A name of `LINEUP` to a seed to the run that goes on.
        diverged: A name of `LINEUP` to a seed to the run that diverged.
        folder: What the runs' paths begin from.
    """

    runs: dict[str, dict[int, Run]]
    record: dict
    unfinished: dict[str, dict[int, UnfinishedRun]] = dataclasses.field(
        default_factory=dict
    )
    diverged: dict[str, dict[int, UnfinishedRun]] = dataclasses.field(
        default_factory=dict
    )
    folder: Path = Path()

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for runs in self.runs.values() for seed in runs})

    @property
    def names(self) -> list[str]:
        """The models that have a run, in the order of the line-up."""
        return [name for name in MODELS if self.runs.get(name)]

    def of(self, name: str) -> dict[int, Run]:
        """The runs of one model, by seed; empty where there is none."""
        return self.runs.get(name, {})

    @property
    def diverged_paths(self) -> dict[str, str]:
        """The path of each run that diverged, from the folder on, to how it did."""
        return {
            run_name(seed, name): runs[seed].diverged
            for name, runs in self.diverged.items()
            for seed in sorted(runs)
        }

    @property
    def unfinished_runs(self) -> list[UnfinishedRun]:
        """Every run that goes on, by model, then by seed."""
        return [runs[seed] for runs in self.unfinished.values() for seed in sorted(runs)]

    @property
    def all_runs(self) -> list[Run]:
        """Every finished run, in the order of the line-up, then of the seeds."""
        return [self.runs[name][s] for name in self.names for s in sorted(self.of(name))]


def read_run(path) -> Run:
    """Reads a finished run.

    Raises:
        UserError: The folder is not that of a finished run.
    """
    run = RunDirectory(path)
    config, metrics = run.read_config(), run.read_metrics()
    history = _columns(run.read_history())
    for name, content, needed in (
        (CONFIG, config, NEEDED_OF_CONFIG),
        (METRICS, metrics, NEEDED_OF_METRICS),
        (HISTORY, history, NEEDED_OF_HISTORY),
    ):
        for key in needed:
            if key not in content:
                raise UserError(
                    f"{str(path)!r} has no {key} in its {name}: pass the directory of a "
                    "finished run that nothing was taken out of."
                )
    if metrics.get("epochs", len(history["epoch"])) != len(history["epoch"]):
        raise UserError(
            f"{str(path)!r} has {len(history['epoch'])} epochs in its {HISTORY} and "
            f"{metrics['epochs']} in its {METRICS}, so one of them was changed: restore "
            "it, or run the experiment again."
        )
    return Run(
        Path(path).as_posix(),
        run.read_experiment(),
        config,
        metrics,
        history,
        run.read_predictions(),
    )


def read_sweep(folder, unfinished_alone: bool = False) -> Sweep:
    """Reads every run of a sweep.

    Args:
        folder: The sweep's.
        unfinished_alone: Whether runs that go on are enough, once one has had an epoch.

    Raises:
        UserError: There is no finished run, or a file of one cannot be read.
    """
    sweep = SweepFolder(folder)
    runs, unfinished, diverged = {}, {}, {}
    for seed, model, directory in sweep.runs():
        if model not in MODELS:
            continue
        path = directory.path.relative_to(sweep.path).as_posix()
        if directory.finished:
            run = dataclasses.replace(read_run(directory.path), path=path)
            runs.setdefault(model, {})[seed] = run
        else:
            run = _read_unfinished(directory, path)
            kind = diverged if run.diverged else unfinished
            kind.setdefault(model, {})[seed] = run
    record = sweep.read_record()
    read = Sweep(runs, record, unfinished, diverged, sweep.path)
    enough = unfinished_alone and any(run.epochs for run in read.unfinished_runs)
    if not runs and not enough:
        raise UserError(
            f"{str(folder)!r} has no finished run (FOLDER/seed-0/baseline and so on): "
            "pass output_dir= with the folder of a sweep that was run."
            + "".join(
                f" {path} diverged: {what}." for path, what in read.diverged_paths.items()
            )
        )
    _check_alike(runs)
    return read


def _read_unfinished(directory: RunDirectory, path: str) -> UnfinishedRun:
    planned, history = None, {}
    with contextlib.suppress(UserError):
        planned = directory.read_experiment().epochs
        history = _columns(directory.read_history())
    if not set(NEEDED_OF_HISTORY) <= history.keys():
        history = {}
    return UnfinishedRun(path, planned, history, directory.diverged)


def _check_alike(runs: dict[str, dict[int, Run]]) -> None:
    """Raises `UserError` where runs of one model differ in more than the seed, or any two
    in their images."""
    for first, *others in (tuple(of_model.values()) for of_model in runs.values()):
        for run in others:
            names = first.experiment.fields_unlike(run.experiment)
            if names:
                ours, theirs = (getattr(it.experiment, names[0]) for it in (first, run))
                raise UserError(
                    f"{first.path!r} has {names[0]} = {ours!r} and {run.path!r} "
                    f"{theirs!r}, so they cannot be averaged: keep them in two folders."
                )
    _check_same_images([run for of_model in runs.values() for run in of_model.values()])


def _check_same_images(runs: list[Run]) -> None:
    first = {}
    for run in runs:
        checksum = checksums.recorded(run.config["data"])
        if checksum is not None:
            first.setdefault(checksum, run)
    if len(first) > 1:
        one, other = list(first.values())[:2]
        raise UserError(
            f"{one.path!r} and {other.path!r} are on different images, by their "
            "checksums, so they cannot be compared: keep them in two folders."
        )


def gather(paths, models: Collection[str] = tuple(MODELS)) -> Sweep:
    """Reads finished runs wherever they are.

    A run is the model that its folder is named after, or its experiment's.

    Args:
        paths: The folders.
        models: Names of the line-up that a run may be of.

    Raises:
        UserError: No folder is given, one is no finished run or one of another model, or
            two are of one model and seed.
    """
    paths = [path for path in paths if str(path)]
    if not paths:
        raise UserError(
            "There is no run to read: pass the directories of finished runs to runs=."
        )
    runs = {}
    for path in paths:
        run = read_run(path)
        seed, folder = run.experiment.seed, Path(path).name
        name = folder if folder in MODELS else run.experiment.experiment
        if name not in models:
            raise UserError(
                f"{run.path!r} is a run of {name!r}, which the table has no row for: "
                f"pass runs of {', '.join(models)}."
            )
        of_model = runs.setdefault(name, {})
        if seed in of_model:
            raise UserError(
                f"{of_model[seed].path!r} and {run.path!r} are both {name} with seed "
                f"{seed}: pass one."
            )
        of_model[seed] = run
    _check_alike(runs)
    return Sweep(runs, {"runs": []})


def _columns(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
