"""Trains the paper's NODE-adjoint, with the adjoint sensitivity method.

See --help for the flags; their defaults are the paper's.
"""

from node_transfer.training import command_line, flags
from node_transfer.training.config import NODE_ADJOINT

flags.define_experiment_flags(NODE_ADJOINT)


def main():
    from node_transfer.training.experiment import run_experiment
    from node_transfer.training.report import print_run

    print_run(run_experiment(flags.config_from_flags(NODE_ADJOINT)))


if __name__ == "__main__":
    command_line.run(main)
