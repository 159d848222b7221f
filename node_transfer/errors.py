"""The error that is meant for the person at the keyboard."""


class UserError(Exception):
    """A mistake in what was asked for, or something missing that the user can supply.

    The message is one sentence that says what is wrong, with the value, and what to do.
    Scripts print it alone, without a traceback, and exit with code 2.
    """


def first_line(error: Exception) -> str:
    """The first line of another library's error, to quote in a sentence of ours."""
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
