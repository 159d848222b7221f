"""Prints the paper's Table I from finished runs, ours beside the paper's.

python experiments/table_1.py --runs=RUN,RUN,RUN
"""

from absl import flags as absl_flags

from node_transfer.training import command_line

absl_flags.DEFINE_list("runs", None, "Run directories, with commas.", required=True)


def main():
    from node_transfer.analysis import paper_tables, provenance, runs

    sweep = runs.gather(absl_flags.FLAGS.runs)
    print(paper_tables.table_1(sweep).text())
    print("\n".join(provenance.sources(sweep.all_runs)))


if __name__ == "__main__":
    command_line.run(main)
