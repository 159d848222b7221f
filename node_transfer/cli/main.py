"""The command `node-transfer`: finds the command that is meant, and runs it."""

import difflib
import importlib
import sys
from typing import NoReturn

import node_transfer
from node_transfer.cli import command_line
from node_transfer.cli.command_line import Command

# The first word to the module whose `COMMAND` it is: a command, or a function that gives
# commands by the next word.
COMMANDS = {
    "train": "node_transfer.cli.train",
    "evaluate": "node_transfer.cli.evaluate",
    "report": "node_transfer.cli.report",
    "predict": "node_transfer.cli.predict",
    "export": "node_transfer.cli.export",
    "sweep-tolerance": "node_transfer.cli.sweep_tolerance",
    "reproduce": "node_transfer.cli.reproduce",
    "compare": "node_transfer.cli.compare",
    "table": "node_transfer.cli.table",
    "claims": "node_transfer.cli.claims",
}
HELP = ("--help", "-h", "-help", "--helpshort", "--helpfull")


def main(*words: str) -> None:
    """Runs the command that the command line names.

    Args:
        words: The command's name, where a script stands for it.
    """
    said, found, rest = [], COMMANDS, [*words, *sys.argv[1:]]
    while isinstance(found, dict):
        word = rest.pop(0) if rest else None
        if word in HELP:
            print(_usage(said, found))
            sys.exit(0)
        if word == "--version" and not said:
            print(f"node-transfer {node_transfer.__version__}")
            sys.exit(0)
        if word not in found:
            _stop_at(word, said, found)
        said.append(word)
        found = _load(found[word])
    command_line.run(found, ["--help" if word == "-h" else word for word in rest])


def _load(entry: str | Command) -> Command | dict[str, Command]:
    if not isinstance(entry, str):
        return entry
    found = importlib.import_module(entry).COMMAND
    return found() if callable(found) else found


def _usage(said: list[str], choices: dict) -> str:
    """Returns the help on a choice of commands."""
    rows = _rows(said, choices)
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        [
            "usage: node-transfer COMMAND [--flag=value ...]",
            "",
            *(f"  {name:{width}}  {summary}" for name, summary in rows),
            "",
            "node-transfer COMMAND --help explains the flags of one; node-transfer "
            "--version prints the version.",
        ]
    )


def _rows(said: list[str], choices: dict) -> list[tuple[str, str]]:
    """Returns name and summary of every command of a choice."""
    rows = []
    for word, entry in choices.items():
        found = _load(entry)
        if isinstance(found, dict):
            rows += _rows([*said, word], found)
        else:
            rows.append((" ".join([*said, word]), found.help.split("\n")[0]))
    return rows


def _stop_at(word: str | None, said: list[str], choices: dict) -> NoReturn:
    """Ends the program where a word is no command, in one sentence."""
    program = " ".join(["node-transfer", *said])
    if word is None or word.startswith("-"):
        problem = f"{program} needs a command, before any flags"
    else:
        problem = f"{program} has no command {word!r}"
        for near in difflib.get_close_matches(word, choices, n=1):
            problem += f" (did you mean {near}?)"
    command_line.stop(
        f"{problem}: choose one of {', '.join(choices)}; see {program} --help.", code=1
    )
