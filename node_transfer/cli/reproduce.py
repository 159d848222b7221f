"""Makes every run of the reproduction, then its tables, figures, and report.

    node-transfer reproduce --preset=cpu --seeds=0,1,2 --output_dir=results/mine

A sweep that was stopped goes on where it was when the same command is given again.
--report_only makes tables, figures and report anew from the runs that are there.
"""

from absl import flags as absl_flags

from node_transfer.cli import command_line, sweep_flags
from node_transfer.cli.command_line import Command


def reproduce() -> None:
    """Makes the sweep that the flags describe, and its report."""
    from node_transfer.analysis.report import write_report

    if absl_flags.FLAGS.report_only:
        print(write_report(sweep_flags.output_dir()))
        return
    from node_transfer.cli import program
    from node_transfer.reproduction.sweep import run_sweep

    maker = program.running("reproduce")
    runs, output_dir, record = sweep_flags.sweep_from_flags(maker.typed)
    failures = run_sweep(runs, output_dir, record, maker, command_line.told)
    if len(failures) < len(runs):
        print(write_report(output_dir))
    sweep_flags.check_failures(failures)


COMMAND = Command(
    __doc__, sweep_flags.define_sweep_flags, reproduce, extra="all", trains=True
)
