"""The errors and warnings that are meant for the person at the keyboard."""

import sys


class UserError(ValueError):
    """A mistake in what was asked for, or something missing that the user can supply.

    The message is one sentence that says what is wrong, with the value, and what to do.
    It names arguments as Python does: `image_size=` where the argument is meant,
    `image_size=32` with the value to pass. The command line prints it alone, without a
    traceback and with the dashes of its flags, and exits with code 2.
    """


def warn(sentence: str) -> None:
    """Prints a warning: a sentence, without its full stop."""
    print(f"WARNING: {sentence}", file=sys.stderr, flush=True)


def first_line(error: Exception) -> str:
    """The first line of another library's error, to quote in a sentence of ours."""
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
