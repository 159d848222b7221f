"""Predicts the classes of image files with a trained model.

    node-transfer predict --model=results/runs/mine photos/ more/*.jpg --top=3

A folder stands for the images in it and below. The order is that of the files given.
Those that cannot be read are named on standard error, and the exit code is then 3; the
others are predicted all the same.
"""

import sys
from pathlib import Path

from absl import flags as absl_flags

from node_transfer.cli import flags, startup
from node_transfer.cli.command_line import Command

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
    from node_transfer.errors import UserError

    if not paths:
        raise UserError("No images are given: name files, folders or patterns.")
    startup.load_tensorflow()
    from node_transfer import durable
    from node_transfer.serving import prediction_formats
    from node_transfer.serving.predicting import predictions

    values = absl_flags.FLAGS
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
    output = values.output and Path(values.output)
    ending = output.suffix[1:].lower() if output else ""
    kind = values.format or (ending if ending in FORMATS else "table")
    text = prediction_formats.FORMATS[kind](rows, values.top)
    if output:
        with durable.written_aside(output) as partial:
            partial.write_text(text, encoding="utf-8")
            durable.publish(partial, output)
    else:
        sys.stdout.write(text)
    unreadable = sum(row.error is not None for row in rows)
    if unreadable:
        print(f"{unreadable} of {len(rows)} files cannot be read.", file=sys.stderr)
        sys.exit(UNREADABLE)


COMMAND = Command(__doc__, define_flags, predict, extra="train", takes_words=True)
