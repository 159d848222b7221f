"""Trains every backbone with every block, and makes one table and figure of them.

    node-transfer compare --blocks=none,residual,ode --dataset=cifar10 --freeze_backbone

All other flags are those of train, and hold for every run. Runs go to
OUTPUT_DIR/seed-SEED/BACKBONE-BLOCK-METHOD; those that were stopped go on when the same
command is given again. Backbones that are frozen compute their features once, for all of
their runs. Writes comparison.md, .csv, .svg and .png into OUTPUT_DIR.
"""

import dataclasses
import shlex

from absl import flags as absl_flags

from node_transfer.cli import command_line, flags, sweep_flags
from node_transfer.cli.command_line import Command
from node_transfer.errors import UserError
from node_transfer.runs.choices import DEFAULT_BACKBONE
from node_transfer.runs.config import NODE_RK
from node_transfer.runs.places import short_name

FLAGS = absl_flags.FLAGS
DEFAULTS = dataclasses.replace(NODE_RK, epochs=10)
# Flags of train that are several here, or that a comparison decides itself.
OTHERS = ("backbone", "block", "method", "seed", "init_from", "overwrite")


def define_flags() -> None:
    """Defines the flags of `node-transfer compare`."""
    flags.define_experiment_flags(DEFAULTS)
    for name in (*OTHERS, "weights", "output_dir"):
        delattr(FLAGS, name)
    absl_flags.DEFINE_list(
        "backbones", [DEFAULT_BACKBONE], "Backbones to compare, with commas."
    )
    absl_flags.DEFINE_list(
        "blocks", ["none", "residual", "ode"], "Blocks to compare, with commas."
    )
    absl_flags.DEFINE_list(
        "methods", [DEFAULTS.method], "Solvers of the blocks with an ODE, with commas."
    )
    absl_flags.DEFINE_string(
        "weights",
        None,
        "What the backbones start from: imagenet, none, auto or a path, for all of them; "
        "or BACKBONE=... for one, as in none,EfficientNetV2B0=weights.h5. Default: auto.",
    )
    absl_flags.DEFINE_list(
        "seeds", ["0"], "One run of every model for each, with commas."
    )
    absl_flags.DEFINE_string(
        "output_dir", None, "Folder of the runs. Default: results/runs/compare/DATASET."
    )
    absl_flags.DEFINE_bool(
        "table_only", False, "Train nothing: make table and figure of the runs again."
    )


def compare() -> None:
    """Makes the runs that the flags ask for, and compares them."""
    from node_transfer.analysis.comparison import write_comparison

    folder = FLAGS.output_dir or f"results/runs/compare/{short_name(FLAGS.dataset)}"
    failures = {} if FLAGS.table_only else _train(folder)
    print(write_comparison(folder).text())
    print(f"Written to {folder}")
    sweep_flags.check_failures(failures)


def _train(folder: str) -> dict[str, str]:
    """Makes the runs; returns the title of each that failed to the reason."""
    from node_transfer.cli import program
    from node_transfer.reproduction.comparison import plan_comparison
    from node_transfer.reproduction.sweep import run_sweep

    if FLAGS.strategy == "multi_worker":
        raise UserError(
            "strategy is 'multi_worker' and a comparison makes its runs on one machine: "
            "pass another strategy=."
        )
    common, of_one = _weights()
    base = dataclasses.replace(flags.config_from_flags(DEFAULTS), weights=common)
    runs = plan_comparison(
        base,
        FLAGS.backbones,
        FLAGS.blocks,
        FLAGS.methods,
        sweep_flags.seeds(),
        folder,
        of_one,
    )
    maker = program.running("compare")
    given = [
        flag.serialize() for flag in command_line.own_flags().values() if flag.present
    ]
    record = {
        "command": shlex.join([*maker.typed, "compare", *given]),
        "preset": "compare",
        "note": None,
    }
    return run_sweep(runs, folder, record, maker, command_line.told)


def _weights() -> tuple[str | None, dict[str, str]]:
    """Returns what all backbones start from, and what single ones do, by their names."""
    common, of_one = None, {}
    for word in FLAGS.weights.split(",") if FLAGS.weights else ():
        name, equals, value = word.partition("=")
        if equals:
            of_one[name] = value
        elif common is None:
            common = word
        else:
            raise UserError(
                f"weights is {FLAGS.weights!r}: pass one for all backbones, "
                "and BACKBONE=... for single ones."
            )
    return common, of_one


COMMAND = Command(__doc__, define_flags, compare, extra="all", trains=True)
