"""Signals that end a process which waits within TensorFlow."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Has Ctrl-C end the process at once meanwhile, and gives SIGTERM back afterwards.

    Where TensorFlow waits for other machines Python's handler of Ctrl-C is not run, so
    the system's own is there. TensorFlow's coordination service takes SIGTERM for itself
    as it begins, and would keep it. In another thread than the main one nothing is
    changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
