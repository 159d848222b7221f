"""The folder of a sweep: `sweep.json`, and the runs in `seed-S/MODEL`.

Imports no TensorFlow.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

from node_transfer.errors import UserError
from node_transfer.runs import files
from node_transfer.runs.directory import RunDirectory

RECORD = "sweep.json"  # what the sweep was asked for, and which runs failed
_SEED = "seed-"
_SCRIPT = ["python", "experiments/reproduce.py"]  # what earlier sweeps were called by
_COMMAND = ["node-transfer", "reproduce"]


def run_name(seed: int, model: str) -> str:
    """Returns the path of a run from the sweep's folder on."""
    return f"{_SEED}{seed}/{model}"


class SweepFolder:
    """A folder with the runs of a sweep and its record.

    Attributes:
        path: The folder.
    """

    def __init__(self, path):
        self.path = Path(path)

    def run(self, seed: int, model: str) -> RunDirectory:
        """Returns the directory of one run, whether it is there or not."""
        return RunDirectory(self.path / run_name(seed, model))

    def runs(self) -> Iterator[tuple[int, str, RunDirectory]]:
        """Yields seed, model and directory of every run that has begun, in that order."""
        found = []
        for path in self.path.glob(f"{_SEED}*/*"):
            run, seed = RunDirectory(path), path.parent.name.removeprefix(_SEED)
            if seed.isdigit() and run.begun:
                found.append((int(seed), path.name, run))
        yield from sorted(found, key=lambda it: (it[0], str(it[2].path)))

    def read_record(self) -> dict:
        """Returns `sweep.json`; without any runs where there is none.

        Returns:
            `preset`, `note` (or `None`), `commands`, each that a sweep was started with,
            and `runs`, a list of `{"model", "seed", "command"}`, with `"failed"`, the
            reason, for a run that failed.
        """
        try:
            record = files.read_json(self.path / RECORD)
        except (FileNotFoundError, UserError):
            record = {}  # the runs tell all else
        runs, commands = (_list(record.get(name)) for name in ("runs", "commands"))
        return {
            **record,
            "runs": [run for run in runs if _is_entry(run)],
            "commands": [command for command in commands if isinstance(command, str)],
        }

    def update_record(
        self, preset: str, note: str | None, command: str, runs: list[dict]
    ) -> None:
        """Writes `sweep.json`; what an earlier sweep made in the folder stays in it.

        Args:
            preset: The preset of the sweep.
            note: A sentence for the report; `None` keeps that of an earlier sweep.
            command: What the sweep was started with; listed once, however often it is
                given.
            runs: The sweep's own entries; see `read_record`.

        Raises:
            UserError: The file cannot be written.
        """
        earlier = self.read_record()
        entries = {(run["model"], run["seed"]): run for run in [*earlier["runs"], *runs]}
        commands = earlier["commands"]
        if _words(command) not in map(_words, commands):
            commands = [*commands, command]
        content = {
            "preset": preset,
            "note": earlier.get("note") if note is None else note,
            "commands": commands,
            "runs": list(entries.values()),
        }
        files.write_json(self.path / RECORD, content)


def _list(value) -> list:
    return value if isinstance(value, list) else []


def _is_entry(run) -> bool:
    """Whether an entry of `runs` says of which run it is, and what made it."""
    kinds = {"model": str, "seed": int, "command": str}
    return isinstance(run, dict) and all(
        isinstance(run.get(name), kind) for name, kind in kinds.items()
    )


def _words(command: str) -> list[str]:
    """Returns a sweep's command, in words, as it is typed now."""
    words = shlex.split(command)
    return [*_COMMAND, *words[2:]] if words[:2] == _SCRIPT else words
