"""Trains the paper's NODE-RK, with a gradient through the solver's steps.

See --help for the flags; their defaults are the paper's.
"""

from node_transfer.training import command_line, flags
from node_transfer.training.config import NODE_RK

flags.define_experiment_flags(NODE_RK)


def main():
    from node_transfer.training.experiment import run_experiment
    from node_transfer.training.report import print_run

    print_run(run_experiment(flags.config_from_flags(NODE_RK)))


if __name__ == "__main__":
    command_line.run(main)
