"""Where a run comes from: the project's commit, the machine, the command, the weights."""

import datetime
import os
import platform
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import tensorflow as tf

import node_transfer

PACKAGES = (
    "tensorflow",
    "keras",
    "tensorflow-probability",
    "tensorflow-datasets",
    "numpy",
    "pillow",
    "scikit-learn",
)
# What decides a run's numbers, of all that is in the repository.
CODE = ("node_transfer", "experiments", "setup.py", "requirements.lock")


def environment(strategy: tf.distribute.Strategy) -> dict:
    """Returns the software and the machine, for the run's record."""
    return {
        "versions": {
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in PACKAGES},
        },
        "project": project(),
        "device": {
            "gpus": [
                tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
                for gpu in tf.config.list_physical_devices("GPU")
            ],
            "cpu": platform.machine(),
            "cpu_model": cpu_model(),
            "cores": _cores(),
            "cpu_threads": tf.config.threading.get_intra_op_parallelism_threads()
            or _cores(),
            "replicas": strategy.num_replicas_in_sync,
        },
        "command": command(sys.argv),
        "date": now(),
    }


def now() -> str:
    """Returns the date and the time, UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def project(root: Path | None = None) -> dict:
    """Returns the version of node-transfer, and the commit that its code is of.

    Args:
        root: Folder of the checkout; `None`: the one that this package is in.

    Returns:
        `version`; `commit`, and `clean`: whether the code that decides a run's numbers
        is that of the commit. Both are `None` where the package is not in a checkout of
        its own, as when it was installed.
    """
    root = root or Path(node_transfer.__file__).resolve().parent.parent
    result = {"version": node_transfer.__version__, "commit": None, "clean": None}
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root.resolve():
        return result
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", *CODE)
    if commit is None or changes is None:
        return result
    return {**result, "commit": commit, "clean": not changes}


def command(argv: list[str]) -> str:
    """Returns what was typed, as far as a program can tell.

    Args:
        argv: The program and its arguments, as in `sys.argv`.
    """
    program, *arguments = argv
    if Path(program).name == "__main__.py":
        words = ["python", "-m", Path(program).resolve().parent.name]
    elif program.endswith(".py"):
        path = os.path.relpath(program)
        words = ["python", Path(program).name if path.startswith("..") else path]
    else:
        words = [Path(program).name or "python"]
    return shlex.join([*words, *arguments])


def cpu_model() -> str:
    """Returns the name that the processor gives itself; its architecture where none."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str | None:
    """Returns what git prints, stripped; `None` where git cannot answer."""
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def _cores() -> int:
    """Returns the number of cores that the process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 0
