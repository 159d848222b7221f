"""Standard output that is closed, full, ended, or has few characters."""

import os
import subprocess
import sys

import pytest

# A command that prints; whatever it opens must not get the number of a closed stream.
PRINTS = """
import os
from node_transfer.cli.command_line import Command, run

def prints():
    assert os.open(os.devnull, os.O_RDONLY) > 2
    for _ in range(100):
        print("é" * 100, flush=True)

run(Command("Prints.", lambda: None, prints, extra="train"), [])
"""


def printed(redirection: str, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {redirection}', sys.executable, PRINTS],
        env={**os.environ, **environment}, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_go_nowhere(closed):
    done = printed(closed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("redirection", "reason"),
    [
        (">/dev/full", "No space left on device"),
        ("> >(exec true); exit $?", "Broken pipe"),
    ],
)
def test_output_that_cannot_be_written_is_one_sentence(redirection, reason):
    done = printed(redirection)
    assert done.returncode == 2
    assert f"What this command prints cannot be written ({reason})" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_characters_that_the_terminal_lacks_are_escaped():
    done = printed("", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stdout.startswith(r"\xe9\xe9")


def test_help_that_nobody_reads_to_its_end_ends_without_a_word():
    asked = PRINTS.replace(", [])", ", ['--help'])").replace(
        '"Prints."', '"word " * 50_000'
    )
    done = subprocess.run(
        ["bash", "-c", '"$0" -c "$1" > >(exec true); exit $?', sys.executable, asked],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
