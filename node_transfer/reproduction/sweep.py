"""Makes the runs of a plan, one process each, and goes on where it was stopped.

Imports no TensorFlow.
"""

import ctypes
import dataclasses
import functools
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from node_transfer.errors import UserError
from node_transfer.reproduction.plan import PlannedRun
from node_transfer.runs.admission import check_outside_images
from node_transfer.runs.directory import RunDirectory
from node_transfer.runs.inputs import check_inputs
from node_transfer.runs.sweep_folder import SweepFolder

POLL_SECONDS = 0.5
STOP_SECONDS = 10
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclasses.dataclass(frozen=True)
class Program:
    """What makes one run, in a process of its own.

    Attributes:
        process: What the process is started with, before the arguments.
        typed: The same, as a person types it.
        arguments: From a run to the arguments that ask for it.
    """

    process: tuple[str, ...]
    typed: tuple[str, ...]
    arguments: Callable[[PlannedRun], list[str]]

    def command(self, run: PlannedRun) -> str:
        """Returns what to type to make one run by hand."""
        return shlex.join([*self.typed, *self.arguments(run)])


def run_sweep(
    runs: list[PlannedRun],
    output_dir: str,
    record: dict,
    program: Program,
    tell: Callable[[UserError], str] = str,
) -> dict[str, str]:
    """Makes every run that is not finished yet.

    A run that fails is reported, and the others are made. The sweep's own record,
    `sweep.json`, is written before the first run and after each; a run that was finished
    before keeps the command that it has there.

    Args:
        runs: The plan.
        output_dir: Folder of the sweep.
        record: What `sweep.json` says beside the runs: `preset`, `command`, and `note`,
            where `None` keeps that of an earlier sweep.
        program: What makes a run.
        tell: From a mistake to the sentence that is printed and recorded.

    Returns:
        The title of each run that failed to the reason.

    Raises:
        UserError: A finished run of another experiment is in the way, what a run is to
            read is not there, it would be made within its folder of images, or another
            sweep is at work in the folder; nothing is run.
    """
    needed = {run.config.output_dir: run for run in runs}
    needed |= {run.start.config.output_dir: run.start for run in runs if run.start}
    for run in needed.values():
        _check_finished(run)
    for run in needed.values():
        _check_inputs(run)
    commands = _commands(runs, output_dir, program)
    failures = {}
    with RunDirectory(output_dir).locked(), _progress(runs) as bar:
        _write_record(output_dir, record, runs, commands, failures)
        for k, run in enumerate(runs, start=1):
            bar.set_description(f"Run {k} of {len(runs)}: {run.title}")
            if not run.directory.finished:
                try:
                    reason = _make(run, program, bar)
                except OSError as error:
                    reason = f"{error.filename} cannot be used ({error.strerror})"
                except UserError as error:
                    reason = tell(error)
                if reason:
                    failures[run.title] = reason
                    bar.write(f"FAILED: {run.title}: {reason}", file=sys.stderr)
                _write_record(output_dir, record, runs, commands, failures)
            if run.directory.finished:
                run.directory.log_path.unlink(missing_ok=True)
            bar.write(f"Run {k} of {len(runs)}: {run.title}: {_result(run)}")
    return failures


def _commands(
    runs: list[PlannedRun], output_dir: str, program: Program
) -> dict[str, str]:
    """Returns the title of each run to the command that makes it, or has made it."""
    recorded = {
        (entry["model"], entry["seed"]): entry["command"]
        for entry in SweepFolder(output_dir).read_record()["runs"]
    }
    commands = {run.title: program.command(run) for run in runs}
    for run in runs:
        if run.directory.finished and (run.model, run.seed) in recorded:
            commands[run.title] = recorded[run.model, run.seed]
    return commands


def _progress(runs: list[PlannedRun]) -> tqdm:
    """Returns a bar over the epochs of all runs."""
    return tqdm(
        total=sum(run.config.epochs for run in runs),
        initial=sum(map(_epochs_done, runs)),
        unit="epoch",
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 60,
        smoothing=0.1,
    )


def _check_inputs(run: PlannedRun) -> None:
    """Raises `UserError` where a run that is to be made would fail by what is asked."""
    if run.directory.finished:
        return
    config = run.config
    if run.start:  # which is made before it
        config = dataclasses.replace(config, init_from=None)
    check_inputs(config)
    if not run.directory.begun:
        check_outside_images(run.directory, config)


def _check_finished(run: PlannedRun) -> None:
    """Raises `UserError` where a finished run is not the one that is planned."""
    directory, config = run.directory, run.config
    if not directory.finished:
        return
    difference = directory.difference(
        config if run.start else config.with_default_network()
    )
    if difference:
        raise UserError(
            f"{str(directory.path)!r} holds a finished run with {difference}: pass what "
            "it was made with, or output_dir= with another folder."
        )


def _make(run: PlannedRun, program: Program, bar: tqdm) -> str | None:
    """Trains one run in a process of its own; returns why it failed, or `None`."""
    directory = run.directory
    if run.start and not run.start.directory.finished:
        return f"not made, since {run.start.title}, which it starts from, is not finished"
    if directory.diverged:
        return (
            f"it diverged ({directory.diverged}), and would again: train it with other "
            f"settings in a folder of its own, or remove {directory.path}"
        )
    with directory.locked(timeout=-1):  # another process may still be at it
        pass
    if directory.finished:
        return None
    directory.path.parent.mkdir(parents=True, exist_ok=True)
    log = directory.log_path
    with log.open("w") as file:
        process = subprocess.Popen(
            [*program.process, *program.arguments(run)],
            stdout=file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=functools.partial(_end_with, os.getpid()) if LIBC else None,
        )
    try:
        _follow(process, run, bar)
    except KeyboardInterrupt:
        # A terminal has interrupted it too; another sender may not have.
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    if process.returncode == 0:
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


def _end_with(parent: int) -> None:
    """Lets Linux end this process with its parent, however that is killed."""
    LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)  # it has ended already


def _epochs_done(run: PlannedRun) -> int:
    try:
        return len(run.directory.read_history())
    except UserError:
        return 0  # the run itself will say what is wrong


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
    if not run.directory.finished:
        return "not finished"
    metrics = run.directory.read_metrics()
    seconds = metrics["seconds"]["training"]
    time = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
    return (
        f"test accuracy {metrics['test']['accuracy']:.1%}, {metrics['epochs']} epochs in "
        f"{time} of training, {run.directory.path}"
    )


def _write_record(
    output_dir: str,
    record: dict,
    runs: list[PlannedRun],
    commands: dict[str, str],
    failures: dict[str, str],
) -> None:
    entries = [
        {"model": run.model, "seed": run.seed, "command": commands[run.title]}
        | ({"failed": failures[run.title]} if run.title in failures else {})
        for run in runs
    ]
    SweepFolder(output_dir).update_record(**record, runs=entries)
