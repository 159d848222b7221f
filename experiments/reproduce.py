"""Makes every run of the reproduction, then its tables, figures, and report.

python experiments/reproduce.py --preset=cpu --seeds=0,1,2 --output_dir=results/mine

A sweep that was stopped goes on where it was when the same command is given again.
--report_only makes tables, figures and report anew from the runs that are there.
"""

from pathlib import Path

from absl import flags as absl_flags

from node_transfer.reproduction import flags
from node_transfer.training import command_line

flags.define_sweep_flags()


def main():
    from node_transfer.analysis.report import write_report
    from node_transfer.reproduction.sweep import run_sweep

    if absl_flags.FLAGS.report_only:
        print(write_report(flags.output_dir()))
        return
    runs, output_dir, record = flags.sweep_from_flags()
    project = Path(__file__).resolve().parent.parent
    failures = run_sweep(runs, output_dir, record, project)
    if len(failures) < len(runs):
        print(write_report(output_dir))
    flags.check_failures(failures)


if __name__ == "__main__":
    command_line.run(main)
