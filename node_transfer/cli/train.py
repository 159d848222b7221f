"""`node-transfer train NAME`: one experiment, a run directory."""

import functools
import os
import shlex

from node_transfer.cli import flags, startup
from node_transfer.cli.command_line import Command
from node_transfer.runs.admission import check_free
from node_transfer.runs.config import EXPERIMENTS, ExperimentConfig
from node_transfer.runs.directory import RunDirectory
from node_transfer.runs.inputs import check_inputs

HELP = """Trains {summary}.

The flags' defaults are the paper's where it gives a value. A run that was stopped goes on
after its last whole epoch when the same command is given again.
"""


def train(defaults: ExperimentConfig) -> None:
    """Trains the experiment that the flags describe, and prints what came of it."""
    # Before TensorFlow, which takes seconds, so that what is wrong is told at once.
    config = flags.config_from_flags(defaults)
    check_inputs(config)
    if config.strategy != "multi_worker":  # of which the chief alone writes
        check_free(RunDirectory(config.run_directory), config)
    startup.load_tensorflow()
    from node_transfer.training.experiment import run_experiment
    from node_transfer.training.strategy import is_chief

    run = run_experiment(config)
    if is_chief(os.environ):  # the others may see its run, on a disk that they share
        print_run(run)
        if config.report:
            print_report(run)


def print_run(run: RunDirectory) -> None:
    """Prints the numbers of a finished run, where they are, and how to see them again."""
    from tabulate import tabulate

    metrics = run.read_metrics()
    rows = [
        (split, f"{metrics[split]['accuracy']:.2%}", f"{metrics[split]['loss']:.4f}")
        for split in ("train", "validation", "test")
    ]
    print()
    print(tabulate(rows, headers=("split", "accuracy", "loss"), stralign="right"))
    if metrics.get("classes"):
        from node_transfer.training.per_class import table

        print(f"\nTest images by class:\n{table(metrics['classes'])}")
    kept = metrics.get("kept_epoch", metrics["epochs"])
    if kept != metrics["epochs"]:
        print(f"\nKept: epoch {kept}, the one of the best validation accuracy.")
    print(
        f"\n{metrics['epochs']} epochs, {metrics['seconds']['training']:.0f} s of "
        f"training. The run is in {run.path}; to evaluate its model again:\n"
        f"  node-transfer evaluate --model={shlex.quote(str(run.path))}"
    )


def print_report(run: RunDirectory) -> None:
    """Makes the report of a finished run, and prints where it is."""
    try:
        from node_transfer.analysis.run_report import write_run_report
    except ModuleNotFoundError as error:
        print(
            f"No report.html, which needs the package {error.name}: pip install "
            '"node-transfer[report]", then node-transfer report '
            f"--run={shlex.quote(str(run.path))}"
        )
        return
    print(f"Its report: {write_run_report(run.path)}")


def commands() -> dict[str, Command]:
    """Returns a command for each experiment that the table has by now."""
    return {
        name: Command(
            help=HELP.format(summary=experiment.summary),
            define_flags=functools.partial(
                flags.define_experiment_flags, experiment.config
            ),
            run=functools.partial(train, experiment.config),
            extra="train",
            trains=True,
        )
        for name, experiment in EXPERIMENTS.items()
    }


COMMAND = commands
