"""Reads run directories. Imports neither TensorFlow nor training."""

import csv
import dataclasses
import json
from pathlib import Path

from node_transfer.analysis.lineup import MODELS
from node_transfer.analysis.stability import CURVES
from node_transfer.errors import UserError

SWEEP_RECORD = "sweep.json"  # what the sweep was asked for, and which runs failed
NEEDED = ("epoch", "seconds", *CURVES)  # columns of a history
# Fields of a config that may differ between the runs of one model.
FREE = (
    "seed",
    "init_from",
    "data_dir",
    "data_note",
    "output_dir",
    "overwrite",
    "strategy",
)


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        path: Its folder; that of a sweep's run from the sweep's folder on.
        config: `config.json`.
        metrics: `metrics.json`.
        history: Columns of `history.csv`: a name to one number an epoch.
    """

    path: str
    config: dict
    metrics: dict
    history: dict[str, list[float]]

    @property
    def epochs(self) -> int:
        """Number of epochs that it trained for."""
        return len(self.history["epoch"])


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The finished runs below one folder, `FOLDER/seed-S/NAME`.

    Attributes:
        runs: A name of `LINEUP` to a seed to the run.
        record: `sweep.json`, see `read_record`.
        unfinished: Paths of runs that have not come to their end, from the folder on.
    """

    runs: dict[str, dict[int, Run]]
    record: dict
    unfinished: tuple[str, ...] = ()

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
    def all_runs(self) -> list[Run]:
        """Every run, in the order of the line-up, then of the seeds."""
        return [self.runs[name][s] for name in self.names for s in sorted(self.of(name))]


def read_run(path) -> Run:
    """Reads a finished run.

    Raises:
        UserError: The folder is not that of a finished run.
    """
    folder = Path(path)
    contents = []
    for name, keys in (
        ("config.json", ("experiment", "versions", "device", "data", "weights")),
        ("metrics.json", ("train", "validation", "test", "seconds")),
    ):
        content = _read_json(folder / name)
        if any(key not in content for key in keys):
            raise UserError(
                f"{str(path)!r} has no readable {name}: pass the directory of a finished "
                "run."
            )
        contents.append(content)
    return Run(Path(path).as_posix(), *contents, _read_history(folder / "history.csv"))


def read_sweep(folder) -> Sweep:
    """Reads every run of a sweep.

    Raises:
        UserError: There is no finished run, or a file of one cannot be read.
    """
    runs, unfinished = {}, []
    for config in sorted(Path(folder).glob("seed-*/*/config.json")):
        path = config.parent
        seed = path.parent.name.removeprefix("seed-")
        if path.name not in MODELS or not seed.isdigit():
            continue
        if (path / "metrics.json").exists():
            run = dataclasses.replace(
                read_run(path), path=f"{path.parent.name}/{path.name}"
            )
            runs.setdefault(path.name, {})[int(seed)] = run
        else:
            unfinished.append(f"{path.parent.name}/{path.name}")
    if not runs:
        raise UserError(
            f"{str(folder)!r} has no finished run (FOLDER/seed-0/baseline and so on): "
            "pass the --output_dir of a sweep, or leave --report_only out to train."
        )
    _check_alike(runs)
    return Sweep(runs, read_record(folder), tuple(unfinished))


def _check_alike(runs: dict[str, dict[int, Run]]) -> None:
    """Raises `UserError` where runs of one model differ in more than the seed."""
    for first, *others in (tuple(of_model.values()) for of_model in runs.values()):
        expected = first.config["experiment"]
        for run in others:
            for name, value in run.config["experiment"].items():
                if name not in FREE and expected.get(name) != value:
                    raise UserError(
                        f"{first.path!r} has {name} = {expected.get(name)!r} and "
                        f"{run.path!r} {value!r}, so they cannot be averaged: keep them "
                        "in two folders."
                    )


def gather(paths) -> Sweep:
    """Reads finished runs wherever they are.

    A run is the model that its folder is named after, or its experiment's.

    Raises:
        UserError: A folder is no finished run, or two are of one model and seed.
    """
    runs = {}
    for path in paths:
        run = read_run(path)
        seed, folder = run.config["experiment"]["seed"], Path(path).name
        name = folder if folder in MODELS else run.config["experiment"]["experiment"]
        of_model = runs.setdefault(name, {})
        if seed in of_model:
            raise UserError(
                f"{of_model[seed].path!r} and {run.path!r} are both {name} with seed "
                f"{seed}: pass one."
            )
        of_model[seed] = run
    _check_alike(runs)
    return Sweep(runs, {"runs": []})


def read_record(folder) -> dict:
    """Returns `sweep.json` of a folder; without any runs where there is none."""
    record = _read_json(Path(folder) / SWEEP_RECORD)
    runs = record.get("runs")
    return {**record, "runs": runs if isinstance(runs, list) else []}


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _read_history(path: Path) -> dict[str, list[float]]:
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        history = {name: [float(row[name]) for row in rows] for name in rows[0]}
        missing = [name for name in NEEDED if name not in history]
        if missing:
            raise KeyError(f"no column {missing[0]}")
        return history
    except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
        raise UserError(
            f"{str(path)!r} cannot be read as a history ({type(error).__name__}: "
            f"{error}): run the experiment again with --overwrite."
        ) from None
