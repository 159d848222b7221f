"""A file system in a file, copied while it is written to, as a power cut leaves it."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

MIB = 64
# Names may reach the disk long before bytes that nobody flushed.
OPTIONS = "loop,noauto_da_alloc,commit=1"


@contextlib.contextmanager
def mounted(image, folder: Path, options: str = OPTIONS, kind: str = "ext4"):
    """Mounts an image, which a power cut may have left dirty, while it is used."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", kind, "-o", options, str(image), str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        unmount = ["umount", str(folder)]
        for _ in range(20):
            if subprocess.run(unmount, capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:  # TensorFlow may hold a file open: unmounted once it does not
            subprocess.run([*unmount, "--lazy"], check=True)


def make_image(path: Path) -> Path:
    """Makes an empty ext4 file system in a file."""
    if os.geteuid() or not all(map(shutil.which, ("mkfs.ext4", "mount", "umount"))):
        pytest.skip("making and mounting a file system needs root and mkfs.ext4")
    with path.open("wb") as file:
        file.truncate(MIB * 2**20)
    subprocess.run(["mkfs.ext4", "-q", str(path)], check=True)
    return path


def copy_as_if_cut(image: Path, copy: Path, process: subprocess.Popen) -> None:
    """Copies what of an image is on its disk, while the process that writes stands still.

    What the system itself writes in that moment would tear the copy, so it is made again
    until two agree.
    """
    os.kill(process.pid, signal.SIGSTOP)
    try:
        while True:
            subprocess.run(["cp", "--sparse=always", str(image), str(copy)], check=True)
            if subprocess.run(["cmp", "-s", str(image), str(copy)]).returncode == 0:
                return
    finally:
        os.kill(process.pid, signal.SIGCONT)
