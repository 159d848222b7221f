"""Several processes on this machine, each of which takes the others for machines."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

from tests.conftest import PROJECT


def tf_configs(count: int) -> list[str]:
    """Returns a TF_CONFIG for each of some workers, on ports that are free."""
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    tasks = [{"type": "worker", "index": index} for index in range(count)]
    cluster = {"worker": addresses}
    return [json.dumps({"cluster": cluster, "task": task}) for task in tasks]


@contextlib.contextmanager
def cluster(commands: list[list[str]]) -> Iterator[list[subprocess.Popen]]:
    """Starts Python with each of the arguments as a worker, and kills what is left."""
    processes = []
    for command, config in zip(commands, tf_configs(len(commands)), strict=True):
        environ = {**os.environ, "TF_CONFIG": config, "OMP_NUM_THREADS": "1"}
        processes.append(
            subprocess.Popen(
                [sys.executable, *command], cwd=PROJECT, env=environ, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
        )  # fmt: skip
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def ends(processes: list[subprocess.Popen], timeout: float) -> list[tuple[int, str]]:
    """Waits for workers; returns the exit status of each and what it printed."""
    outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    return [(p.returncode, output) for p, output in zip(processes, outputs, strict=True)]
