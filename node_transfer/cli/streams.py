"""Standard streams that are closed, full, or of few characters."""

import os
import sys


def open_closed() -> None:
    """Makes closed streams go nowhere, and all of them take any character.

    A stream that is closed leaves its number to the next file that is opened, into which
    libraries would print.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
        stream = getattr(sys, name)
        if getattr(stream, "errors", None) == "strict":  # such as é, where LC_ALL=C
            stream.reconfigure(errors="backslashreplace")


def cannot_be_written(error: OSError) -> bool:
    """Whether standard output is why: `| head` has ended, or its disk is full.

    If so it goes nowhere from here on, so that the process can end.
    """
    if error.filename is not None:  # another file
        return False
    try:
        os.write(1, b"\n")  # what Python had to write is gone, so it is tried
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        return True
    return False
