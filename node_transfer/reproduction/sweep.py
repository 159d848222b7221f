"""Makes the runs of a plan, one process each, and goes on where it was stopped.

Imports no TensorFlow.
"""

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from node_transfer.analysis.runs import SWEEP_RECORD, read_record
from node_transfer.errors import UserError
from node_transfer.reproduction.plan import PlannedRun
from node_transfer.training.run_directory import RunDirectory

PROJECT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.5
# What a run fills in by itself where it is not given.
RESOLVED = ("backbone", "weights", "image_size")
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def run_sweep(runs: list[PlannedRun], output_dir: str, record: dict) -> dict[str, str]:
    """Makes every run that is not finished yet.

    A run that fails is reported, and the others are made. The sweep's own record,
    `sweep.json`, is written before the first run and after each.

    Args:
        runs: The plan.
        output_dir: Folder of the sweep.
        record: What `sweep.json` says beside the runs.

    Returns:
        The title of each run that failed to the reason.

    Raises:
        UserError: A finished run of another experiment is in the way; nothing is run.
    """
    for run in runs:
        _check_finished(run)
    failures = {}
    _write_record(output_dir, record, runs, failures)
    with tqdm(
        total=sum(run.config.epochs for run in runs),
        initial=sum(map(_epochs_done, runs)),
        unit="epoch",
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 60,
        smoothing=0.1,
    ) as bar:
        for k, run in enumerate(runs, start=1):
            bar.set_description(f"Run {k} of {len(runs)}: {run.title}")
            if not RunDirectory(run.config.output_dir).finished:
                reason = _make(run, bar)
                if reason:
                    failures[run.title] = reason
                    bar.write(f"FAILED: {run.title}: {reason}", file=sys.stderr)
                    _write_record(output_dir, record, runs, failures)
            bar.write(f"Run {k} of {len(runs)}: {run.title}: {_result(run)}")
    return failures


def command(run: PlannedRun) -> str:
    """Returns what to type to make one run by hand."""
    return shlex.join(["python", *run.arguments])


def _check_finished(run: PlannedRun) -> None:
    """Raises `UserError` where a finished run is not the one that is planned."""
    directory = RunDirectory(run.config.output_dir)
    if not directory.finished:
        return
    earlier = directory.read_experiment()
    for name, value in run.config.what_matters().items():
        if name in RESOLVED and value is None:
            continue
        if name == "init_from" and value and earlier.get(name):
            continue  # the same run, however its path was written
        if earlier.get(name) != value:
            raise UserError(
                f"{str(directory.path)!r} holds a finished run with {name} = "
                f"{earlier.get(name)!r}, not {value!r}: pass the flags that it was made "
                "with, or another --output_dir."
            )


def _make(run: PlannedRun, bar: tqdm) -> str | None:
    """Trains one run in a process of its own; returns why it failed, or `None`."""
    directory = RunDirectory(run.config.output_dir)
    if run.needs and not RunDirectory(run.needs).finished:
        return f"not made, since {run.needs}, which it starts from, is not finished"
    log = directory.path.parent / f"{directory.path.name}.log"
    try:
        with directory.locked(timeout=-1):  # another process may still be at it
            pass
        if directory.finished:
            return None
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, PROJECT / run.arguments[0], *run.arguments[1:]],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                preexec_fn=_end_with_parent if LIBC else None,
            )
    except OSError as error:
        return f"{log.parent} cannot be written ({error.strerror})"
    try:
        _follow(process, run, bar)
    except KeyboardInterrupt:
        process.wait()
        raise
    if process.returncode == 0:
        log.unlink()
        return None
    return f"{_last_words(log, process.returncode)} (log: {log})"


def _follow(process: subprocess.Popen, run: PlannedRun, bar: tqdm) -> None:
    """Moves the bar with the run's history until its process ends."""
    shown = _epochs_done(run)
    while True:
        ended = process.poll() is not None
        done = _epochs_done(run)
        bar.update(done - shown)
        shown = done
        if ended:
            return
        time.sleep(POLL_SECONDS)


def _end_with_parent() -> None:
    """Lets Linux end this process with its parent, however that is killed."""
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _epochs_done(run: PlannedRun) -> int:
    return len(RunDirectory(run.config.output_dir).read_history())


def _last_words(log: Path, code: int) -> str:
    """Returns why a process failed: its own sentence, or the last line of its log."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line]
    for line in reversed(lines):
        if line.startswith("Error: "):
            return line.removeprefix("Error: ")
    if code < 0:
        return f"ended by signal {signal.Signals(-code).name}"
    return f"exit code {code}, {lines[-1] if lines else 'without a word'}"


def _result(run: PlannedRun) -> str:
    directory = RunDirectory(run.config.output_dir)
    if not directory.finished:
        return "not finished"
    metrics = directory.read_metrics()
    minutes = metrics["seconds"]["training"] / 60
    return (
        f"test accuracy {metrics['test']['accuracy']:.1%}, {metrics['epochs']} epochs in "
        f"{minutes:.1f} min, {directory.path}"
    )


def _write_record(
    output_dir: str, record: dict, runs: list[PlannedRun], failures: dict[str, str]
) -> None:
    """Writes `sweep.json`; what an earlier sweep made in the folder stays in it."""
    path = Path(output_dir) / SWEEP_RECORD
    earlier = read_record(output_dir)
    entries = {(entry["model"], entry["seed"]): entry for entry in earlier["runs"]}
    for run in runs:
        entry = {"model": run.model, "seed": run.seed, "command": command(run)}
        if run.title in failures:
            entry["failed"] = failures[run.title]
        entries[run.model, run.seed] = entry
    content = {
        **record,
        "note": record["note"] or earlier.get("note"),
        "runs": list(entries.values()),
    }
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content, indent=2) + "\n")
        os.replace(partial, path)
    except OSError as error:
        raise UserError(
            f"The folder {output_dir!r} cannot be written ({error.strerror}): pass "
            "another --output_dir."
        ) from error
