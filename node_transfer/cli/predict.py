"""Predicts the classes of image files with a trained model.

    node-transfer predict --model=results/runs/mine photos/ more/*.jpg --top=3

A folder stands for the images in it and below. The order is that of the files given.
Those that cannot be read are named on standard error, and the exit code is then 3; the
others are predicted all the same. What is interrupted, or fails on the way, writes the
predictions that it has, in place of --output=mine.csv to mine.partial.csv.
"""

import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags as absl_flags

from node_transfer import durable
from node_transfer.cli import flags, startup
from node_transfer.cli.command_line import Command
from node_transfer.errors import UserError
from node_transfer.runs.inputs import model_file
from node_transfer.serving.outputs import in_the_way

if TYPE_CHECKING:
    from node_transfer.serving.predicting import Prediction

UNREADABLE = 3  # the exit code
FORMATS = ("table", "csv", "json")
LONG_NAME = 200  # bytes; with an ending more it may be more than a file system takes


def define_flags() -> None:
    """Defines the flags of `node-transfer predict`."""
    absl_flags.DEFINE_string(
        "model", None, "A run directory, or a saved .keras file.", required=True
    )
    absl_flags.DEFINE_integer(
        "top", 1, "How many classes of each image to print.", lower_bound=1
    )
    absl_flags.DEFINE_integer(
        "batch_size", 32, "Images at a time; one solve serves a batch.", lower_bound=1
    )
    absl_flags.DEFINE_enum(
        "format",
        None,
        FORMATS,
        "What to write. Default: what the ending of --output says, else table.",
    )
    absl_flags.DEFINE_string("output", None, "File to write to, in place of the screen.")
    absl_flags.DEFINE_bool("overwrite", False, "Replace the file that --output names.")
    flags.define_solver_flags(None)


def predict(paths: list[str]) -> None:
    """Predicts the files that the command line names."""
    if not paths:
        raise UserError("No images are given: name files, folders or patterns.")
    values = absl_flags.FLAGS
    model = model_file(values.model)  # before TensorFlow, which takes seconds
    output = Path(values.output) if values.output else None
    if output is not None:
        _try(output, values.overwrite, (model, *paths))
    startup.load_tensorflow()
    rows = []
    try:
        for row in _predictions(paths):
            rows.append(row)
    except (KeyboardInterrupt, Exception):
        if rows:
            _put_part(rows, output)
        raise
    _put(rows, output)
    unreadable = sum(row.error is not None for row in rows)
    if unreadable:
        print(f"{unreadable} of {len(rows)} files cannot be read.", file=sys.stderr)
        sys.exit(UNREADABLE)


def _predictions(paths: list[str]) -> Iterator["Prediction"]:
    """Yields the predictions; what cannot be read is told as soon as that is known."""
    from tqdm import tqdm

    from node_transfer.serving.predicting import predictions
    from node_transfer.serving.prediction_formats import one_line

    values = absl_flags.FLAGS
    found = predictions(
        values.model,
        paths,
        top=values.top,
        batch_size=values.batch_size,
        rtol=values.rtol,
        atol=values.atol,
        method=values.method,
        num_steps=values.num_steps,
    )
    for row in tqdm(found, "Predicting", unit="image", leave=False, disable=None):
        if row.error:
            sentence = f"{one_line(row.path)}: cannot be read ({row.error})"
            tqdm.write(sentence, file=sys.stderr)
        yield row


def _put(rows: list["Prediction"], output: Path | None) -> None:
    """Writes predictions to a file, or to the screen."""
    from node_transfer.serving import prediction_formats

    values = absl_flags.FLAGS
    ending = output.suffix[1:].lower() if output else ""
    kind = values.format or (ending if ending in FORMATS else "table")
    known = max((len(row.classes) for row in rows), default=0)
    text = prediction_formats.FORMATS[kind](rows, min(values.top, known or values.top))
    if output:
        # A path that UTF-8 has no characters for is escaped, in JSON as JSON does.
        _write(output, text.encode("utf-8", errors="backslashreplace"))
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _put_part(rows: list["Prediction"], output: Path | None) -> None:
    """Writes what there is of the predictions, and says where, or why it cannot."""
    what = f"The predictions of the first {len(rows)} files"
    if output and _is_special(output):  # a pipe may wait for one who reads
        print(f"{what} are not written.", file=sys.stderr, flush=True)
        return
    partial = output and _name_of_a_part(_file_of(output))
    try:
        _put(rows, partial)
    except (UserError, OSError) as error:
        print(f"{what} are not written: {error}", file=sys.stderr, flush=True)
        return
    where = f" in {str(partial)!r}" if partial else ""
    print(f"{what} are written{where}.", file=sys.stderr, flush=True)


def _name_of_a_part(output: Path) -> Path:
    """Returns the file for what there is of an output; nothing is in its place."""
    if len(os.fsencode(output.name)) > LONG_NAME:
        output = output.with_name(f"predictions{output.suffix}")
    names = (f".partial{number or ''}" for number in itertools.count())
    paths = (output.with_name(f"{output.stem}{name}{output.suffix}") for name in names)
    return next(path for path in paths if not os.path.lexists(path))


def _try(output: Path, overwrite: bool, inputs: Iterable[str]) -> None:
    """Raises `UserError` where a file cannot be written, before work is put into it.

    Args:
        output: The file.
        overwrite: Whether it may be replaced.
        inputs: Files that may not, whatever is asked for.
    """
    if output.is_dir():
        raise UserError(f"output is {str(output)!r}, a folder: pass the name of a file.")
    if _is_special(output):
        return
    if any(os.path.realpath(path) == os.path.realpath(output) for path in inputs):
        raise UserError(
            f"output is {str(output)!r}, which is to be read: pass another name (of "
            "several files after --output the first is taken for it)."
        )
    if output.exists() and not overwrite:
        raise in_the_way(output)
    durable.check_writable(_file_of(output), "output")


def _write(output: Path, content: bytes) -> None:
    if _is_special(output):
        with durable.failures_told(output, argument="output"):
            output.write_bytes(content)
        return
    file = _file_of(output)
    with durable.written_aside(file, "output", users=True) as partial:
        partial.write_bytes(content)
        durable.publish(partial, file)


def _file_of(output: Path) -> Path:
    """What a link leads to, which is what is replaced."""
    return output.resolve() if output.is_symlink() else output


def _is_special(output: Path) -> bool:
    """Whether a device or a pipe, which is written to and never replaced."""
    return output.exists() and not (output.is_file() or output.is_dir())


COMMAND = Command(__doc__, define_flags, predict, extra="train", takes_words=True)
