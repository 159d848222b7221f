"""Trains the paper's baseline, EfficientNetB0 and a final layer.

See --help for the flags; their defaults are the paper's.
"""

from node_transfer.training import command_line, flags
from node_transfer.training.config import BASELINE

flags.define_experiment_flags(BASELINE)


def main():
    from node_transfer.training.experiment import run_experiment
    from node_transfer.training.report import print_run

    print_run(run_experiment(flags.config_from_flags(BASELINE)))


if __name__ == "__main__":
    command_line.run(main)
