"""How a command meets the person who runs it."""

import dataclasses
import errno
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from absl import app, flags, logging

from node_transfer.cli import streams
from node_transfer.errors import UserError, first_line

# An argument that a message names, `image_size=`, with a value or without. What is in
# quotes is a value of the user's and no argument.
_MENTION = re.compile(
    r"""
    (?<!\w)'(?:[^'\\]|\\.)*'(?!\w) | (?<!\w)"(?:[^"\\]|\\.)*"(?!\w)
    | (?<![\w./=-]) (?P<name>\w+) =
      (?: (?P<truth>True|False)\b | (?P<bare>(?=[`.,;:)]*(?:\s|$))) )?
    """,
    re.VERBOSE,
)


# What a path or a disk has, and no program can mend.
OF_THE_DISK = (
    errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR,
    errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE,
)  # fmt: skip


_GOES_ON = (
    "; a training goes on after its last whole epoch by the same command, without "
    "--overwrite"
)


@dataclasses.dataclass(frozen=True)
class Command:
    """One command of `node-transfer`.

    Attributes:
        help: What it does: a line, and after an empty one what more there is to say.
        define_flags: Defines its flags; imports no TensorFlow.
        run: Does it, when the flags have been parsed; with the list of the words beside
            them, for a command that takes any.
        extra: The extra of setup.py that brings the packages it needs.
        takes_words: Whether it takes words beside its flags, such as files.
        trains: Whether it makes runs, which go on after they were stopped.
    """

    help: str
    define_flags: Callable[[], None]
    run: Callable[..., None]
    extra: str
    takes_words: bool = False
    trains: bool = False


def run(command: Command, arguments: list[str]) -> None:
    """Parses the flags of a command and runs it; a user's mistake ends in one sentence.

    Exit codes: 0 done, 1 a flag that cannot be parsed, 2 `UserError` or a package that
    is not installed, 130 interrupted.

    Args:
        command: The command.
        arguments: Its flags, as typed.
    """
    streams.open_closed()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up notes
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    logging.set_verbosity(logging.ERROR)  # those of TensorFlow Datasets
    command.define_flags()
    # For --help, absl takes text and flags of the main module: here they are a command's.
    sys.modules["__main__"].__doc__ = command.help.replace("%", "%%")
    for flag in own_flags().values():
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    goes_on = _GOES_ON if command.trains else ""

    def guarded(left):
        words = [left[1:]] if command.takes_words else []
        if len(left) > 1 and not words:
            stop(
                f"Unknown argument {left[1]!r}: flags look like --name=value; see "
                "--help.",
                code=1,
            )
        try:
            command.run(*words)
        except UserError as error:
            stop(told(error), code=2)
        except ModuleNotFoundError as error:
            package = (error.name or "").split(".")[0]
            if not package or importlib.util.find_spec(package) is not None:
                raise  # a part of a package that is there: no mistake of the user's
            stop(
                f"The package {package}, which this command needs, is not installed: "
                f'pip install "node-transfer[{command.extra}]".',
                code=2,
            )
        except OSError as error:
            if error.filename is not None and error.errno in OF_THE_DISK:
                stop(
                    f"{os.fsdecode(error.filename)!r} cannot be used "
                    f"({error.strerror}): mend that, or pass another path.",
                    code=2,
                )
            if not streams.cannot_be_written(error):
                raise
            stop(
                f"What this command prints cannot be written ({error.strerror}), and it "
                f"ends here{goes_on}.",
                code=2,
            )
        except Exception as error:
            if not _is_of_memory(error):
                raise
            stop(
                f"There is too little memory ({first_line(error).rstrip('.')}): pass a "
                "smaller batch_size= or image_size=, or end other programs.",
                code=2,
            )
        except KeyboardInterrupt:
            stop(f"Interrupted{goes_on}.", code=130)

    app.run(guarded, argv=[sys.argv[0], *arguments], flags_parser=_parse)


def _is_of_memory(error: Exception) -> bool:
    """Whether the memory, of the machine or of a GPU, was too small."""
    kinds = {kind.__name__ for kind in type(error).__mro__}  # loads no TensorFlow
    return bool(kinds & {"MemoryError", "ResourceExhaustedError"})


def stop(sentence: str, code: int) -> NoReturn:
    """Prints a sentence on standard error and ends the program."""
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(code)


def told(error: UserError) -> str:
    """Returns the sentence of a mistake as the running command puts it."""
    return with_dashes(str(error), own_flags())


def with_dashes(sentence: str, own: Mapping[str, flags.Flag]) -> str:
    """Returns a sentence of the library as the command line puts it.

    Arguments that are flags of the command get their dashes: `image_size=32` becomes
    `--image_size=32`, `image_size=` `--image_size`, `overwrite=True` `--overwrite`.

    Args:
        sentence: A message that names arguments as Python does; see `UserError`.
        own: The command's flags, by name.
    """

    def rewritten(match):
        name, truth = match["name"], match["truth"]
        if name not in own:
            return match[0]
        if truth and own[name].boolean:
            return f"--{name}" if truth == "True" else f"--no{name}"
        return f"--{name}" if match["bare"] is not None else f"--{match[0]}"

    return _MENTION.sub(rewritten, sentence)


def own_flags() -> dict[str, flags.Flag]:
    """Returns the flags that this package defined, and not absl or TensorFlow."""
    return {
        flag.name: flag
        for module, defined in flags.FLAGS.flags_by_module_dict().items()
        if module.startswith("node_transfer")
        for flag in defined
    }


def _parse(arguments):
    try:
        return flags.FLAGS(arguments)
    except flags.IllegalFlagValueError as error:
        for flag in own_flags().values():
            if flag.value is None and str(error).startswith(f"flag --{flag.name}=None:"):
                needs = f"This command needs --{flag.name}: pass --{flag.name}=..."
                stop(f"{needs}; see --help.", code=1)
        stop(f"{error}; see --help.", code=1)
    except flags.Error as error:
        stop(f"{error}; see --help.", code=1)
    except SystemExit:  # absl has printed the help, and counts that as a failure
        sys.exit(0)
    except OSError as error:  # such as --help | head
        if not streams.cannot_be_written(error):
            raise
        sys.exit(0)
