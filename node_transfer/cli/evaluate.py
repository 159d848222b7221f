"""Evaluates a saved model, with the solver it was trained with or another.

    node-transfer evaluate --model=results/runs/cifar10/node_rk --rtol=1e-3

Prints a table, and as its last line the same as JSON.
"""

from absl import flags as absl_flags

from node_transfer.cli import flags, startup
from node_transfer.cli.command_line import Command
from node_transfer.runs.inputs import model_file


def define_flags() -> None:
    """Defines the flags of `node-transfer evaluate`."""
    absl_flags.DEFINE_string(
        "model", None, "A run directory, or a saved .keras file.", required=True
    )
    absl_flags.DEFINE_enum(
        "split", "test", ["train", "validation", "test"], "The images to evaluate on."
    )
    flags.define_batch_size_of_evaluation()
    flags.define_data_flags(None)
    flags.define_solver_flags(None)


def evaluate() -> None:
    """Evaluates the model that the flags name."""
    model_file(absl_flags.FLAGS.model)  # before TensorFlow, which takes seconds
    startup.load_tensorflow()
    from node_transfer.training.saved_model import evaluate_saved

    values = absl_flags.FLAGS
    evaluate_saved(
        values.model,
        dataset=values.dataset,
        data_dir=values.data_dir,
        split=values.split,
        batch_size=values.batch_size,
        rtol=values.rtol,
        atol=values.atol,
        method=values.method,
        num_steps=values.num_steps,
    )


COMMAND = Command(__doc__, define_flags, evaluate, extra="train")
