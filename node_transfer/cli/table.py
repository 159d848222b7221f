"""Prints the paper's Table I from finished runs, ours beside the paper's.

node-transfer table --runs=RUN,RUN,RUN
"""

from absl import flags as absl_flags

from node_transfer.cli.command_line import Command


def define_flags() -> None:
    """Defines the flags of `node-transfer table`."""
    absl_flags.DEFINE_list(
        "runs", None, "Run directories, with commas between them.", required=True
    )


def table() -> None:
    """Prints Table I of the runs that the flags name."""
    from node_transfer.analysis import lineup, paper_tables, provenance, runs

    sweep = runs.gather(absl_flags.FLAGS.runs, lineup.PAPER_MODELS)
    print(paper_tables.table_1(sweep).text())
    print("\n".join(provenance.sources(sweep.all_runs)))


COMMAND = Command(__doc__, define_flags, table, extra="report")
