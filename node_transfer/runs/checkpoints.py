"""The states that a run goes on from: those after its last two whole epochs.

Imports no TensorFlow.
"""

import contextlib
import dataclasses
import itertools
import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np

from node_transfer import checksums, durable
from node_transfer.errors import UserError

KEPT = 2
_NAME = re.compile(r"epoch-(\d{5,})-([0-9a-f]{64})\.npz")
_BEST = re.compile(r"best-(\d{5,})-([0-9a-f]{64})\.npz")
_UNNAMED = "epoch.npz"  # written aside under this name: its own needs its checksum
_EARLIER = re.compile(r"epoch-\d{5}\.weights\.h5")  # before a checkpoint had a checksum
_STATE = "state"  # the entry that is no array of the model: JSON


@dataclasses.dataclass(frozen=True)
class State:
    """What a run goes on from.

    Attributes:
        run: What tells the run from others: the SHA-256 of its initial weights.
        history: Rows of `history.csv`, one for each epoch done.
        arrays: The variables of model and optimizer, in the order that they have there.
        stopped: Whether a callback of the user's ended the training here.
    """

    run: str
    history: list[dict[str, float]]
    arrays: list[np.ndarray]
    stopped: bool = False

    @property
    def epochs_done(self) -> int:
        return len(self.history)


class Checkpoints:
    """The folder `checkpoint/` of a run.

    A checkpoint is one file, whose name says how many epochs it follows and the SHA-256
    of its bytes, and which is on the disk before it has that name. The two newest are
    kept; the older one goes when the newer is there to stay. The weights of the best
    epoch, where they are wanted, are in a file of their own, named likewise.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self._seen_whole = set()  # paths: what is read once need not be read each epoch

    def files(self) -> list[Path]:
        """Returns the files with the name of a checkpoint, newest first.

        They may still be damaged.
        """
        found = [path for path in self._entries() if _NAME.fullmatch(path.name)]
        return sorted(found, key=_epochs_of, reverse=True)

    @property
    def epochs_done(self) -> int:
        """The number in the newest name; 0: there is none."""
        return max(map(_epochs_of, self.files()), default=0)

    def write(self, state: State) -> None:
        """Writes a state to the disk, and then removes those before the last two.

        Raises:
            UserError: It cannot be written; those before it are still there.
        """
        before = self.files()
        content = json.dumps(
            {"run": state.run, "history": state.history, "stopped": state.stopped},
            allow_nan=False,
        )
        arrays = {f"{i:05d}": array for i, array in enumerate(state.arrays)}
        durable.make_folder(self.path)
        with durable.written_aside(self.path / _UNNAMED) as partial:
            with partial.open("wb") as file:
                np.savez(file, **{_STATE: np.array(content)}, **arrays)
            name = f"epoch-{state.epochs_done:05d}-{checksums.of_file(partial)}.npz"
            path = self.path / name
            durable.publish(partial, path)
        self._seen_whole.add(path)
        whole = (
            old
            for old in before
            if _epochs_of(old) < state.epochs_done and self._whole(old)
        )
        kept = {path, *itertools.islice(whole, KEPT - 1)}
        for old in self.files():
            if old not in kept:
                with contextlib.suppress(OSError):
                    old.unlink()

    def write_best(self, epoch: int, arrays: list[np.ndarray]) -> None:
        """Writes the weights of an epoch that is the best so far, numbered from 1.

        Those of the best before it stay: a run that goes on from an older checkpoint,
        since the newest is damaged, may end with them. Those of the same epoch or a later
        one go: they are of a training that was stopped before it recorded the epoch.

        Raises:
            UserError: They cannot be written.
        """
        durable.make_folder(self.path)
        for old in self._best():
            if _epoch_of(old) >= epoch:
                with contextlib.suppress(OSError):
                    old.unlink()
        with durable.written_aside(self.path / _UNNAMED) as partial:
            with partial.open("wb") as file:
                np.savez(file, **{f"{i:05d}": array for i, array in enumerate(arrays)})
            name = f"best-{epoch:05d}-{checksums.of_file(partial)}.npz"
            durable.publish(partial, self.path / name)
        for old in self._best()[KEPT:]:
            with contextlib.suppress(OSError):
                old.unlink()

    def read_best(self, epoch: int) -> list[np.ndarray] | None:
        """Returns what `write_best` wrote for an epoch; `None`: it is not there whole."""
        for path in self._best():
            checksum = _BEST.fullmatch(path.name)[2]
            if _epoch_of(path) == epoch and checksums.of_file(path) == checksum:
                with np.load(path) as file:
                    return [file[name] for name in sorted(file.files)]
        return None

    def _best(self) -> list[Path]:
        """The files of best epochs, the last of them first."""
        found = [path for path in self._entries() if _BEST.fullmatch(path.name)]
        return sorted(found, key=_epoch_of)[::-1]

    def newest(self) -> State | None:
        """Returns the newest state that is whole; `None`: no epoch was done.

        A damaged checkpoint before it is told on standard error.

        Raises:
            UserError: There are checkpoints, and none that is whole.
        """
        damaged = []
        for path in self.files():
            if self._whole(path):
                state = _read(path)
                if damaged:
                    print(
                        f"WARNING: the checkpoint {str(damaged[0])!r} is damaged (its "
                        "bytes do not have its checksum): going on from the one before.",
                        file=sys.stderr,
                        flush=True,
                    )
                return state
            damaged.append(path)
        if damaged:
            raise UserError(
                f"{str(damaged[0])!r} is damaged (its bytes do not have its checksum) "
                "and no checkpoint before it is whole: pass overwrite=True to start the "
                "run anew, or output_dir= with another folder."
            )
        for path in self._entries():
            if _EARLIER.fullmatch(path.name):
                raise UserError(
                    f"{str(path)!r} is a checkpoint of an earlier version of "
                    "node-transfer: go on with that version, or pass overwrite=True to "
                    "start the run anew."
                )
        return None

    def remove(self) -> None:
        """Removes every checkpoint, and the folder where nothing else is in it."""
        for path in self._entries():
            ours = any(name.fullmatch(path.name) for name in (_NAME, _BEST, _EARLIER))
            if ours or path.name.startswith(durable.PARTIAL):
                with contextlib.suppress(OSError):
                    path.unlink()
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _entries(self) -> list[Path]:
        return sorted(self.path.iterdir()) if self.path.is_dir() else []

    def _whole(self, path: Path) -> bool:
        """Whether a checkpoint's bytes have the checksum of its name."""
        try:
            if path in self._seen_whole:
                return True
            whole = checksums.of_file(path) == _NAME.fullmatch(path.name)[2]
        except OSError:
            return False
        if whole:
            self._seen_whole.add(path)
        return whole


def _epochs_of(path: Path) -> int:
    return int(_NAME.fullmatch(path.name)[1])


def _read(path: Path) -> State:
    """Reads a checkpoint whose checksum is right.

    Raises:
        UserError: It is not what its name says all the same: it was made by hand.
    """
    try:
        with np.load(path) as file:
            record = json.loads(str(file[_STATE]))
            arrays = [file[name] for name in sorted(file.files) if name != _STATE]
        stopped = record.get("stopped", False)  # not in earlier files
        state = State(record["run"], record["history"], arrays, stopped)
        if state.epochs_done == _epochs_of(path):
            return state
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        pass
    raise UserError(
        f"{str(path)!r} is not the checkpoint that its name says: pass overwrite=True "
        "to start the run anew, or output_dir= with another folder."
    )


def _epoch_of(path: Path) -> int:
    """The epoch that a file of best weights is of, by its name."""
    return int(_BEST.fullmatch(path.name)[1])
