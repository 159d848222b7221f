"""Whether a server answers, asked before a download that would wait for minutes."""

import contextlib
import threading

TIMEOUT_SECONDS = 3.0


def server_answers(url: str) -> bool:
    """Whether the server of a URL answers, be it with an error, within four seconds."""
    import requests

    answers = []

    def ask():
        with contextlib.suppress(requests.RequestException, OSError):
            requests.head(url, timeout=TIMEOUT_SECONDS)
            answers.append(True)

    # In a thread, since looking up a name has no time limit of its own; a daemon, since
    # the program may end before the look-up does.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(TIMEOUT_SECONDS + 0.5)
    return bool(answers)
