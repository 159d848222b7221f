"""Exports a trained model, to be served without this package.

    node-transfer export --model=results/runs/mine --format=tflite --output=mine.tflite

The export gives the probabilities of the classes for batches of any number of images. It
is run in a process of its own and compared with Keras's predictions; it is written if
they agree, and else the exit code is 2.
"""

from absl import flags as absl_flags

from node_transfer.cli import flags, startup
from node_transfer.cli.command_line import Command
from node_transfer.runs.inputs import model_file
from node_transfer.serving.outputs import ENDINGS, free_path


def define_flags() -> None:
    """Defines the flags of `node-transfer export`."""
    absl_flags.DEFINE_string(
        "model", None, "A run directory, or a saved .keras file.", required=True
    )
    absl_flags.DEFINE_enum(
        "format",
        "saved_model",
        list(ENDINGS),
        "saved_model (TensorFlow Serving, C++, Python), tflite (phones), or onnx.",
    )
    absl_flags.DEFINE_string(
        "output",
        None,
        "What to write: a folder for saved_model, a file that ends in .tflite or .onnx.",
        required=True,
    )
    absl_flags.DEFINE_float(
        "bound", 1e-4, "The largest difference of a probability that is let pass."
    )
    absl_flags.DEFINE_bool("overwrite", False, "Replace what --output names.")
    flags.define_solver_flags(None)


def export() -> None:
    """Exports the model that the flags name, and prints how it compares."""
    from tabulate import tabulate

    values = absl_flags.FLAGS
    model_file(values.model)  # before TensorFlow, which takes seconds
    free_path(values.output, values.format, values.overwrite)
    startup.load_tensorflow()
    from node_transfer.serving.exporting import export as export_model

    done = export_model(
        values.model,
        values.output,
        values.format,
        rtol=values.rtol,
        atol=values.atol,
        method=values.method,
        num_steps=values.num_steps,
        bound=values.bound,
        overwrite=values.overwrite,
    )
    if done.why:
        print(f"{done.why}\n")
    print(f"Solver: {done.solver}")
    if done.solver != done.trained:
        print(
            f"in place of {done.trained}: probabilities change by {done.solver_cost:.1e} "
            "at most"
        )
    rows = [
        (" x ".join(map(str, d.shape)), f"{d.largest:.1e}", d.other_classes)
        for d in done.differences
    ]
    headers = ("made images", "largest difference from Keras", "other classes")
    print(tabulate(rows, headers, disable_numparse=True))
    print(f"Written to {done.path}; the classes are in {done.labels}")


COMMAND = Command(__doc__, define_flags, export, extra="export")
