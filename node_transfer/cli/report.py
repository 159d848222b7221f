"""Makes report.html of a finished run: curves, mistakes, images, paths of the ODE.

node-transfer report --run=results/runs/cifar10/node_rk
"""

from absl import flags as absl_flags

from node_transfer.cli.command_line import Command


def define_flags() -> None:
    """Defines the flags of `node-transfer report`."""
    absl_flags.DEFINE_string("run", None, "A run directory.", required=True)


def report() -> None:
    """Makes the report of the run that the flags name."""
    from node_transfer.analysis.run_report import write_run_report

    print(write_run_report(absl_flags.FLAGS.run))


COMMAND = Command(__doc__, define_flags, report, extra="report")
