"""The files of a run. Each is written whole or not at all. Imports no TensorFlow."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from node_transfer import checksums, durable
from node_transfer.errors import UserError
from node_transfer.runs import admission, files
from node_transfer.runs.checkpoints import Checkpoints
from node_transfer.runs.config import ExperimentConfig
from node_transfer.runs.lock import LOCK, locked
from node_transfer.runs.unreadable import UNREADABLE

CONFIG, HISTORY = "config.json", "history.csv"
METRICS, DIVERGED = "metrics.json", "diverged.json"
PREDICTIONS, ILLUSTRATIONS = "predictions.npz", "illustrations.npz"
MODEL, REPORT = "model.keras", "report.html"
DAMAGED_HISTORY = f"{HISTORY}.damaged"  # what was there before it was made again
CHECKPOINTS, TENSORBOARD = "checkpoint", "tensorboard"  # folders
EVENTS = "events.out.tfevents.*"  # TensorBoard's files, in a folder a split


class RunDirectory:
    """A folder with `config.json`, `history.csv`, `metrics.json`, `predictions.npz`,
    `model.keras`, and for its report `illustrations.npz` and then `report.html`.

    While training it also has `checkpoint/`, with the states after the last whole epochs,
    and `tensorboard/`. Divergence leaves `diverged.json` in place of `metrics.json`.

    Attributes:
        path: The folder.
        checkpoints: The states that it goes on from.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.checkpoints = Checkpoints(self.path / CHECKPOINTS)

    @property
    def model_path(self) -> Path:
        return self.path / MODEL

    @property
    def history_path(self) -> Path:
        return self.path / HISTORY

    @property
    def tensorboard_path(self) -> Path:
        return self.path / TENSORBOARD

    @property
    def log_path(self) -> Path:
        """What a sweep's run prints, kept beside the folder until it is finished."""
        return self.path.with_name(f"{self.path.name}.log")

    @property
    def begun(self) -> bool:
        """Whether it is a run's folder: the config is the first file written."""
        return (self.path / CONFIG).is_file()

    @property
    def described(self) -> bool:
        """Whether its config says of an experiment: another program's may lie there."""
        with contextlib.suppress(OSError, UserError, KeyError, TypeError):
            return isinstance(files.read_json(self.path / CONFIG)["experiment"], dict)
        return False

    @property
    def holds_nothing(self) -> bool:
        """Whether there is no more than a process leaves that was killed at its start."""
        left = (LOCK, f"{durable.PARTIAL}{CONFIG}", UNREADABLE)
        return not self.path.is_dir() or all(
            file.name in left for file in self.path.iterdir()
        )

    @property
    def finished(self) -> bool:
        """Whether the run came to its end: the metrics, its last file, are whole."""
        return self._is_record(METRICS)

    @property
    def diverged(self) -> str | None:
        """How the training diverged, in a few words; `None`: it did not."""
        if self.finished or not self._is_record(DIVERGED):
            return None
        return str(files.read_json(self.path / DIVERGED).get("what", "it diverged"))

    def _is_record(self, name: str) -> bool:
        try:
            return bool(files.read_json(self.path / name))
        except (FileNotFoundError, UserError):
            return False

    def locked(
        self, timeout: float = 0
    ) -> contextlib.AbstractContextManager[Iterator[None]]:
        """Keeps other processes out of the folder, which it makes; see `lock.locked`."""
        return locked(self.path, timeout)

    def prepare(self, config: ExperimentConfig, record: dict) -> None:
        """Makes the folder ready for a run, or for going on with one; see `locked`.

        Args:
            config: The experiment.
            record: What `config.json` says beside it: versions, device, sources.

        Raises:
            UserError: The folder is not free, see `admission`; it holds a run of another
                config; or it cannot be written.
        """
        admission.check_free(self, config)
        if self.begun and not config.overwrite:
            admission.check_same(self, config)
            return
        durable.make_folder(self.path)
        if config.overwrite:
            with durable.failures_told(self.path):
                self._clear()
        files.write_json(
            self.path / CONFIG, {"experiment": dataclasses.asdict(config), **record}
        )

    def check_model(self) -> None:
        """Raises `UserError` where the model of a finished run is not as it was written.

        Runs that were recorded before a model had a checksum pass.
        """
        expected = self.read_metrics().get("model_sha256")
        if expected is None or not self.model_path.is_file():
            return
        if checksums.of_file(self.model_path) != expected:
            raise UserError(
                f"{str(self.model_path)!r} is damaged: its bytes do not have the "
                f"checksum in {METRICS}; train the run again with overwrite=True."
            )

    def difference(self, config: ExperimentConfig) -> str | None:
        """Returns how the run differs from an experiment, `"seed = 0, not 1"`.

        See `ExperimentConfig.differing_field` for what counts; `None`: it does not.
        """
        earlier = self.read_experiment()
        name = config.differing_field(earlier)
        if name is None:
            return None
        return f"{name} = {getattr(earlier, name)!r}, not {getattr(config, name)!r}"

    def _clear(self):
        """Removes a run's own files but its config, and nothing else.

        The config stays until the next takes its place, so that the folder is a run's,
        and can be cleared again, whenever the process ends.
        """
        told = (METRICS, DIVERGED, HISTORY, DAMAGED_HISTORY, UNREADABLE)
        for name in (*told, PREDICTIONS, ILLUSTRATIONS, MODEL, REPORT):
            for path in (self.path / name, self.path / f"{durable.PARTIAL}{name}"):
                path.unlink(missing_ok=True)
        self.checkpoints.remove()
        board = self.path / TENSORBOARD
        for path in board.glob(f"*/{EVENTS}"):
            path.unlink()
        with contextlib.suppress(OSError):  # there are none, or files of others in them
            for folder in (*board.glob("*/"), board):
                folder.rmdir()
        durable.sync_folder(self.path)

    def read_config(self) -> dict:
        """Returns `config.json`.

        Raises:
            UserError: There is none, or it is not JSON.
        """
        return self._read_json(CONFIG)

    def read_experiment(self) -> ExperimentConfig:
        """Returns the experiment of `config.json`, whichever version recorded it.

        Raises:
            UserError: There is none, or one that this version does not know.
        """
        experiment = self.read_config().get("experiment")
        if not isinstance(experiment, dict):
            raise UserError(
                f"{str(self.path / CONFIG)!r} does not describe an experiment: pass the "
                "directory of a run."
            )
        try:
            return ExperimentConfig.from_record(experiment)
        except UserError as error:
            raise UserError(f"In {str(self.path / CONFIG)!r} {error}") from error

    def read_start(self) -> dict:
        """Returns what `config.json` says of the weights that the run began with.

        Raises:
            UserError: It does not say what tells the run from others.
        """
        start = self.read_config().get("weights")
        if not isinstance(start, dict) or not isinstance(
            start.get("initial_sha256"), str
        ):
            raise UserError(
                f"{str(self.path / CONFIG)!r} does not say which weights the run began "
                "with: pass overwrite=True to start it anew, or output_dir= with another "
                "folder."
            )
        return start

    def add_to_config(self, **entries) -> None:
        """Adds entries to `config.json`, or replaces them."""
        files.write_json(self.path / CONFIG, {**self.read_config(), **entries})

    def read_metrics(self) -> dict:
        """Returns `metrics.json`; raises `UserError` where the run is not finished."""
        return self._read_json(METRICS)

    def write_metrics(self, metrics: dict) -> None:
        """Writes `metrics.json`, with which the run is finished."""
        files.write_json(self.path / METRICS, metrics)

    def write_divergence(self, record: dict) -> None:
        """Writes `diverged.json`; its entry `what` says so in a few words."""
        files.write_json(self.path / DIVERGED, record)

    def write_predictions(self, arrays: dict[str, np.ndarray]) -> None:
        """Writes `predictions.npz`, see `evaluation.predict`."""
        files.write_arrays(self.path / PREDICTIONS, arrays)

    def read_predictions(self) -> dict[str, np.ndarray] | None:
        """Returns `predictions.npz` by name; `None` for a run made before there was one.

        Raises:
            UserError: It cannot be read.
        """
        return files.read_arrays(self.path / PREDICTIONS)

    def read_history(self) -> list[dict[str, float]]:
        """Returns `history.csv`, a row an epoch; none where there is no file.

        Raises:
            UserError: It was changed, and cannot be read.
        """
        rows = files.read_rows(self.history_path)
        if [row.get("epoch") for row in rows] != list(range(1, len(rows) + 1)):
            raise UserError(
                f"{str(self.history_path)!r} does not number its epochs from 1 on: run "
                "the experiment again with overwrite=True."
            )
        return [{**row, "epoch": int(row["epoch"])} for row in rows]

    def write_history(self, rows: list[dict[str, float]]) -> None:
        files.write_rows(self.history_path, rows)

    def restore_history(self, rows: list[dict[str, float]]) -> str | None:
        """Makes `history.csv` that of a checkpoint, which has the same rows.

        A file with other rows, or none that can be read, is kept as
        `history.csv.damaged`.

        Args:
            rows: Those of the checkpoint; the file may lack the last, or have more where
                the checkpoint is not the newest.

        Returns:
            A sentence on what was wrong; `None`: nothing was.
        """
        path, kept = self.history_path, self.path / DAMAGED_HISTORY
        try:
            found = self.read_history()
        except UserError:
            found = None
        if found == rows:
            return None
        agrees = found is not None and found[: len(rows)] == rows[: len(found)]
        if not agrees:
            with durable.failures_told(path):
                os.replace(path, kept)
        self.write_history(rows)
        if agrees and len(found) >= len(rows) - 1:
            return None
        saved = "" if agrees else f", and is {kept.name} now"
        return (
            f"{str(path)!r} was not the history of the {len(rows)} whole epochs{saved}: "
            "it was made again from the checkpoint."
        )

    def _read_json(self, name: str) -> dict:
        try:
            return files.read_json(self.path / name)
        except FileNotFoundError:
            raise UserError(
                f"{str(self.path)!r} has no readable {name}: pass the directory of a "
                f"{'finished ' if name == METRICS else ''}run."
            ) from None
