"""Predicts the classes of image files with a trained model.

    node-transfer predict --model=results/runs/mine photos/ more/*.jpg --top=3

A folder stands for the images in it and below. The order is that of the files given.
Those that cannot be read are named on standard error, and the exit code is then 3; the
others are predicted all the same.
"""

import sys
from pathlib import Path

from absl import flags as absl_flags

from node_transfer import durable
from node_transfer.cli import flags, startup
from node_transfer.cli.command_line import Command
from node_transfer.errors import UserError
from node_transfer.runs.inputs import model_file

UNREADABLE = 3  # the exit code
FORMATS = ("table", "csv", "json")


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
    flags.define_solver_flags(None)


def predict(paths: list[str]) -> None:
    """Predicts the files that the command line names."""
    if not paths:
        raise UserError("No images are given: name files, folders or patterns.")
    values = absl_flags.FLAGS
    output = Path(values.output) if values.output else None
    if output is not None:
        _try(output)
    model_file(values.model)  # before TensorFlow, which takes seconds
    startup.load_tensorflow()
    from node_transfer.serving import prediction_formats
    from node_transfer.serving.predicting import predictions

    rows = []
    for prediction in predictions(
        values.model,
        paths,
        top=values.top,
        batch_size=values.batch_size,
        rtol=values.rtol,
        atol=values.atol,
        method=values.method,
        num_steps=values.num_steps,
    ):
        rows.append(prediction)
        if prediction.error:
            sentence = f"{prediction.path}: cannot be read ({prediction.error})"
            print(sentence, file=sys.stderr, flush=True)
    ending = output.suffix[1:].lower() if output else ""
    kind = values.format or (ending if ending in FORMATS else "table")
    text = prediction_formats.FORMATS[kind](rows, values.top)
    if output:
        with durable.written_aside(output, "output") as partial:
            # A path that UTF-8 has no characters for is escaped, in JSON as JSON does.
            partial.write_text(text, encoding="utf-8", errors="backslashreplace")
            durable.publish(partial, output)
    else:
        sys.stdout.write(text)
    unreadable = sum(row.error is not None for row in rows)
    if unreadable:
        print(f"{unreadable} of {len(rows)} files cannot be read.", file=sys.stderr)
        sys.exit(UNREADABLE)


def _try(output: Path) -> None:
    """Raises `UserError` where a file cannot be written, before work is put into it."""
    if output.is_dir():
        raise UserError(f"output is {str(output)!r}, a folder: pass the name of a file.")
    with durable.written_aside(output, "output") as partial:
        partial.touch()


COMMAND = Command(__doc__, define_flags, predict, extra="train", takes_words=True)
