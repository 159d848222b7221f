"""The files of a run. Each is written whole or not at all. Imports no TensorFlow."""

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from node_transfer.errors import UserError
from node_transfer.runs import files
from node_transfer.runs.config import ExperimentConfig

CONFIG, HISTORY, METRICS, PREDICTIONS, MODEL = (
    "config.json",
    "history.csv",
    "metrics.json",
    "predictions.npz",
    "model.keras",
)
CHECKPOINTS, TENSORBOARD = "checkpoint", "tensorboard"  # folders
LOCK = "lock"  # held by the process that trains the run
# What a process that was killed before its first file may leave of a run.
LEFT_OVERS = (LOCK, f"{CONFIG}{files.PARTIAL}")


class RunDirectory:
    """A folder with `config.json`, `history.csv`, `metrics.json`, `predictions.npz` and
    `model.keras`.

    While training it also has `checkpoint/`, with the state after the last whole epoch,
    and `tensorboard/`.

    Attributes:
        path: The folder.
    """

    def __init__(self, path):
        self.path = Path(path)

    @property
    def model_path(self) -> Path:
        return self.path / MODEL

    @property
    def tensorboard_path(self) -> Path:
        return self.path / TENSORBOARD

    @property
    def log_path(self) -> Path:
        """What a sweep's run prints, kept beside the folder until it is finished."""
        return self.path.with_name(f"{self.path.name}.log")

    @property
    def begun(self) -> bool:
        """Whether the folder is that of a run: its config is the first file written."""
        return (self.path / CONFIG).is_file()

    @property
    def finished(self) -> bool:
        """Whether the run came to its end: its metrics are the last file written."""
        return (self.path / METRICS).exists()

    @contextlib.contextmanager
    def locked(self, timeout: float = 0) -> Iterator[None]:
        """Keeps other processes out of the folder, which it makes.

        The lock goes with the process, however that ends. Folders that nothing was
        written to are removed again.

        Args:
            timeout: Seconds to wait for another process to let go; -1: as long as it
                takes.

        Raises:
            UserError: Another process is training the run, or the folder cannot be made.
        """
        import filelock  # here, since reading runs does without it

        made = [p for p in (self.path, *self.path.parents) if not p.exists()]
        self._make_folder()
        try:
            lock = filelock.FileLock(self.path / LOCK, timeout=timeout).acquire()
        except filelock.Timeout:
            raise UserError(
                f"Another process is at work in {str(self.path)!r}: wait for it, or "
                "pass output_dir= with another folder."
            ) from None
        except OSError as error:
            raise self._unusable("written", error) from error
        try:
            with lock:
                try:
                    yield
                finally:  # still held: who waits for this file sees that it is gone
                    with contextlib.suppress(OSError):
                        (self.path / LOCK).unlink()
        finally:
            with contextlib.suppress(OSError):
                for folder in made:
                    folder.rmdir()

    def prepare(self, config: ExperimentConfig, record: dict) -> None:
        """Makes the folder ready for a run, or for going on with one; see `locked`.

        Args:
            config: The experiment.
            record: What `config.json` says beside it: versions, device, sources.

        Raises:
            UserError: The folder holds a finished run, or one of another config, and
                `config.overwrite` is not set; or it cannot be written.
        """
        if config.overwrite:
            self._clear()
        self.check_free(config)
        if self.begun:
            self._check_same(config)
            return
        self._make_folder()
        try:
            files.write_json(
                self.path / CONFIG, {"experiment": dataclasses.asdict(config), **record}
            )
        except OSError as error:
            raise self._unusable("written", error) from error

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable("made", error) from error

    def _unusable(self, what: str, error: OSError) -> UserError:
        return UserError(
            f"The run directory {str(self.path)!r} cannot be {what} ({error.strerror}): "
            "pass output_dir= with another folder."
        )

    def check_free(self, config: ExperimentConfig) -> None:
        """Raises `UserError` where no run may be written, before work is put into it."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(
                f"The run directory {str(self.path)!r} is a file: pass output_dir= with "
                "a folder."
            )
        if config.overwrite:
            return
        if self.finished:
            raise UserError(
                f"{str(self.path)!r} holds a finished run: pass overwrite=True to "
                "replace it, or output_dir= with another folder."
            )
        if (
            self.path.is_dir()
            and not self.begun
            and any(file.name not in LEFT_OVERS for file in self.path.iterdir())
        ):
            raise UserError(
                f"The folder {str(self.path)!r} is not empty and not a run: pass "
                "output_dir= with another folder."
            )

    def _check_same(self, config: ExperimentConfig) -> None:
        """Raises `UserError` where the folder has an unfinished run of another config."""
        difference = self.difference(config)
        if difference:
            raise UserError(
                f"{str(self.path)!r} holds an unfinished run with {difference}: pass "
                "what it was begun with to go on with it, overwrite=True to replace it, "
                "or output_dir= with another folder."
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
        """Removes a run's own files, and nothing else."""
        for name in (METRICS, CONFIG, HISTORY, PREDICTIONS, MODEL):
            (self.path / name).unlink(missing_ok=True)
        for name in (CHECKPOINTS, TENSORBOARD):
            shutil.rmtree(self.path / name, ignore_errors=True)

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

    def add_to_config(self, **entries) -> None:
        """Adds entries to `config.json`, or replaces them."""
        files.write_json(self.path / CONFIG, {**self.read_config(), **entries})

    def read_metrics(self) -> dict:
        """Returns `metrics.json`; raises `UserError` where the run is not finished."""
        return self._read_json(METRICS)

    def write_metrics(self, metrics: dict) -> None:
        files.write_json(self.path / METRICS, metrics)

    def write_predictions(self, arrays: dict[str, np.ndarray]) -> None:
        """Writes `predictions.npz`, compressed; see `evaluation.predict` for what."""
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
        rows = files.read_rows(self.path / HISTORY)
        try:
            return [{**row, "epoch": int(row["epoch"])} for row in rows]
        except (KeyError, ValueError):
            raise UserError(
                f"{str(self.path / HISTORY)!r} does not number its epochs: run the "
                "experiment again with overwrite=True."
            ) from None

    def write_history(self, rows: list[dict[str, float]]) -> None:
        files.write_rows(self.path / HISTORY, rows)

    def checkpoint_path(self, epochs_done: int) -> Path:
        return self.path / CHECKPOINTS / f"epoch-{epochs_done:05d}.weights.h5"

    def last_checkpoint(self) -> tuple[int, Path | None]:
        """Returns the epochs done and the file of the state after them, if any."""
        found = sorted((self.path / CHECKPOINTS).glob("epoch-*.weights.h5"))
        if not found:
            return 0, None
        return int(found[-1].name.split("-")[1].split(".")[0]), found[-1]

    def write_checkpoint(self, epochs_done: int, save: Callable[[Path], None]) -> None:
        """Replaces the checkpoint: at any moment there is a whole one.

        Args:
            epochs_done: Epochs that the state follows.
            save: Writes the state to the path that it is called with.
        """
        path = self.checkpoint_path(epochs_done)
        path.parent.mkdir(exist_ok=True)
        _, previous = self.last_checkpoint()
        partial = path.with_name(f"partial-{path.name}")  # Keras wants the ending
        save(partial)
        os.replace(partial, path)
        if previous is not None and previous != path:
            previous.unlink()

    def remove_checkpoints(self) -> None:
        shutil.rmtree(self.path / CHECKPOINTS, ignore_errors=True)

    def _read_json(self, name: str) -> dict:
        try:
            return files.read_json(self.path / name)
        except FileNotFoundError:
            raise UserError(
                f"{str(self.path)!r} has no readable {name}: pass the directory of a "
                f"{'finished ' if name == METRICS else ''}run."
            ) from None
