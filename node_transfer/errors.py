"""The error that is meant for the person at the keyboard."""


class UserError(Exception):
    """A mistake in what was asked for, or something missing that the user can supply.

    The message is one sentence that says what is wrong, with the value, and what to do.
    Scripts print it alone, without a traceback, and exit with code 2.
    """
