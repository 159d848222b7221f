"""Loads TensorFlow without the notes that it prints on the way."""

import contextlib
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


def load_tensorflow() -> None:
    """Imports TensorFlow and lets it look for devices.

    What it prints meanwhile that is no note of its start follows on standard error when
    it is done, or when it fails.
    """
    if "tensorflow" in sys.modules:
        return
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
