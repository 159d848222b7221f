"""The files of a run. Each is written whole or not at all. Imports no TensorFlow."""

import contextlib
import csv
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock
import numpy as np

from node_transfer.errors import UserError
from node_transfer.training.config import ExperimentConfig

CONFIG, HISTORY, METRICS, PREDICTIONS, MODEL = (
    "config.json",
    "history.csv",
    "metrics.json",
    "predictions.npz",
    "model.keras",
)
LOCK = "lock"  # held by the process that trains the run
PARTIAL = f"{CONFIG}.partial"  # what a process that was killed may leave of a run


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
        made = [p for p in (self.path, *self.path.parents) if not p.exists()]
        self._make_folder()
        try:
            lock = filelock.FileLock(self.path / LOCK, timeout=timeout).acquire()
        except filelock.Timeout:
            raise UserError(
                f"Another process is at work in {str(self.path)!r}: wait for it, or "
                "pass another --output_dir."
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
        if (self.path / CONFIG).exists():
            self._check_same(config)
            return
        self._make_folder()
        try:
            write_json(
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
            "pass another --output_dir."
        )

    def check_free(self, config: ExperimentConfig) -> None:
        """Raises `UserError` where no run may be written, before work is put into it."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(
                f"The run directory {str(self.path)!r} is a file: pass another "
                "--output_dir."
            )
        if config.overwrite:
            return
        if self.finished:
            raise UserError(
                f"{str(self.path)!r} holds a finished run: pass --overwrite to replace "
                "it, or another --output_dir."
            )
        if (
            self.path.is_dir()
            and not (self.path / CONFIG).exists()
            and any(file.name not in (LOCK, PARTIAL) for file in self.path.iterdir())
        ):
            raise UserError(
                f"The folder {str(self.path)!r} is not empty and not a run: pass another "
                "--output_dir."
            )

    def _check_same(self, config: ExperimentConfig) -> None:
        """Raises `UserError` where the folder has an unfinished run of another config."""
        differing = self.differing_field(config)
        if differing:
            name, earlier, wanted = differing
            raise UserError(
                f"{str(self.path)!r} holds an unfinished run with {name} = {earlier!r}, "
                f"not {wanted!r}: pass the same flags to go on with it, --overwrite to "
                "replace it, or another --output_dir."
            )

    def differing_field(self, config: ExperimentConfig, but: tuple[str, ...] = ()):
        """Compares the run with another experiment.

        Args:
            config: The other experiment.
            but: Fields that may differ.

        Returns:
            `(field, the run's value, the config's value)`, or `None` where all agree;
            the path of `init_from` may be written in different ways.
        """
        earlier = self.read_experiment()
        for name, value in config.what_matters().items():
            other = earlier.get(name)
            if name == "init_from" and value and other:
                value, other = os.path.realpath(value), os.path.realpath(other)
            if name not in but and other != value:
                return name, earlier.get(name), getattr(config, name)
        return None

    def _clear(self):
        """Removes a run's own files, and nothing else."""
        for name in (METRICS, CONFIG, HISTORY, PREDICTIONS, MODEL):
            (self.path / name).unlink(missing_ok=True)
        for name in ("checkpoint", "tensorboard"):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def read_config(self) -> dict:
        """Returns `config.json`.

        Raises:
            UserError: There is none, or it is not JSON.
        """
        return self._read_json(CONFIG)

    def read_experiment(self) -> dict:
        """Returns the experiment of `config.json`: the fields of its config.

        Raises:
            UserError: There is none.
        """
        experiment = self.read_config().get("experiment")
        if not isinstance(experiment, dict):
            raise UserError(
                f"{str(self.path / CONFIG)!r} does not describe an experiment: pass the "
                "directory of a run."
            )
        return experiment

    def add_to_config(self, **entries) -> None:
        """Adds entries to `config.json`, or replaces them."""
        write_json(self.path / CONFIG, {**self.read_config(), **entries})

    def read_metrics(self) -> dict:
        """Returns `metrics.json`; raises `UserError` where the run is not finished."""
        return self._read_json(METRICS)

    def write_metrics(self, metrics: dict) -> None:
        write_json(self.path / METRICS, metrics)

    def write_predictions(self, arrays: dict[str, np.ndarray]) -> None:
        """Writes `predictions.npz`, compressed; see `evaluation.predict` for what."""
        partial = self.path / f"{PREDICTIONS}.partial"
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(partial, self.path / PREDICTIONS)

    def read_history(self) -> list[dict[str, float]]:
        """Returns `history.csv`, a row an epoch."""
        path = self.path / HISTORY
        if not path.exists():
            return []
        with path.open(newline="") as file:
            return [
                {**{k: float(v) for k, v in row.items()}, "epoch": int(row["epoch"])}
                for row in csv.DictReader(file)
            ]

    def write_history(self, rows: list[dict[str, float]]) -> None:
        partial = self.path / f"{HISTORY}.partial"
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(partial, self.path / HISTORY)

    def checkpoint_path(self, epochs_done: int) -> Path:
        return self.path / "checkpoint" / f"epoch-{epochs_done:05d}.weights.h5"

    def last_checkpoint(self) -> tuple[int, Path | None]:
        """Returns the epochs done and the file of the state after them, if any."""
        files = sorted((self.path / "checkpoint").glob("epoch-*.weights.h5"))
        if not files:
            return 0, None
        return int(files[-1].name.split("-")[1].split(".")[0]), files[-1]

    def remove_checkpoints(self) -> None:
        shutil.rmtree(self.path / "checkpoint", ignore_errors=True)

    def _read_json(self, name: str) -> dict:
        try:
            return json.loads((self.path / name).read_text())
        except OSError:
            raise UserError(
                f"{str(self.path)!r} has no {name}: pass the directory of a "
                f"{'finished ' if name == METRICS else ''}run."
            ) from None
        except json.JSONDecodeError as error:
            raise UserError(
                f"{str(self.path / name)!r} is not JSON ({error}): the file was changed; "
                "run the experiment again with --overwrite."
            ) from None


def write_json(path: Path, content) -> None:
    """Writes a file whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(partial, path)
