"""Prints the paper's Table I from finished runs, ours beside the paper's.

python experiments/table_1.py --runs=RUN,RUN,RUN
"""

from absl import flags as absl_flags

from node_transfer.training import command_line

absl_flags.DEFINE_list("runs", None, "Run directories, with commas.", required=True)


def main():
    from node_transfer.analysis import runs, tables

    sweep = runs.gather(absl_flags.FLAGS.runs)
    print(tables.table_1(sweep).text())
    print(f"Ours:\n{tables.provenance(sweep.all_runs)}")
    print("The paper's: EfficientNetB0, ImageNet weights; CIFAR-10, 200/100/160 epochs.")


if __name__ == "__main__":
    command_line.run(main)
