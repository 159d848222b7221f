"""Loads TensorFlow: its memory is kept, and its notes on the way are not shown."""

import contextlib
import ctypes
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# TensorFlow's C++ says these before any of its settings for logging are in effect: that
# such lines come, what oneDNN does, and that there is no GPU.
_NOTE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|I\d{4} .*"
    rb"|E\d{4} .* failed call to cuInit"
    rb"|W\d{4} .* Cannot dlopen some GPU libraries"
)

# Parameters of glibc's mallopt (malloc.h), and what they are set to. The first is no
# memory of its own for each large tensor; older versions take no more than 32 MiB for it.
_MMAP_THRESHOLD, _THRESHOLDS = -3, (1 << 30, 32 << 20)
_MALLOC = (
    (-1, (1 << 31) - 1),  # M_TRIM_THRESHOLD: what was freed is not given back
    (-2, 64 << 20),  # M_TOP_PAD: asked for in large pieces
    (-8, 1),  # M_ARENA_MAX: one heap for all threads, the only one that may grow
)
_SET_BY_USER = re.compile(r"GLIBC_TUNABLES|MALLOC_\w+|LD_PRELOAD")


def keep_memory() -> None:
    """Has the C library keep the memory that the process has had, where it is glibc.

    By itself glibc may give the memory of large tensors back to the system at each step
    and fetch it anew, page by page: a fifth to a third of a training step where pages are
    dear, as in a virtual machine. A process then stays as large as it once was. Where
    the environment says how memory is to be had, nothing is changed.

    To be called before other threads begin.
    """
    if any(_SET_BY_USER.fullmatch(name) for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return
    # With the others set and not this one, each large tensor would be fetched anew.
    if any(mallopt(_MMAP_THRESHOLD, value) for value in _THRESHOLDS):
        for parameter, value in _MALLOC:
            mallopt(parameter, value)


def load_tensorflow() -> None:
    """Imports TensorFlow and lets it look for devices; its memory is kept.

    What it prints meanwhile that is no note of its start follows on standard error when
    it is done, or when it fails.
    """
    if "tensorflow" in sys.modules:
        return
    keep_memory()
    with _without_notes():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _without_notes() -> Iterator[None]:
    """Holds back what is written to standard error, C++'s part too, and drops notes."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            said.seek(0)
            for line in said:
                if not _NOTE.match(line):
                    os.write(2, line)
