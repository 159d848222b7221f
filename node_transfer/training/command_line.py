"""How a script meets the person who runs it."""

import os
import sys
from collections.abc import Callable

from absl import app, flags, logging

from node_transfer.errors import UserError


def run(main: Callable[[], None]) -> None:
    """Parses the flags and runs `main`; a user's mistake ends in one sentence.

    Exit codes: 0 done, 1 a flag that cannot be parsed, 2 `UserError`, 130 interrupted.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up notes
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    logging.set_verbosity(logging.ERROR)  # those of TensorFlow Datasets
    # Flags that the package defines for a script are the script's own in --help.
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith("node_transfer"):
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)

    def guarded(arguments):
        if len(arguments) > 1:
            _stop(
                f"Unknown argument {arguments[1]!r}: flags look like --name=value; see "
                "--help.",
                code=1,
            )
        try:
            main()
        except UserError as error:
            _stop(str(error), code=2)
        except KeyboardInterrupt:
            _stop(
                "Interrupted: the same command, without --overwrite, goes on after the "
                "last whole epoch.",
                code=130,
            )

    app.run(guarded, flags_parser=_parse)


def _parse(arguments):
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        _stop(f"{error}; see --help.", code=1)


def _stop(sentence: str, code: int):
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(code)
