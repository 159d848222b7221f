"""Prints the paper's Table I from finished runs, ours beside the paper's.

python experiments/table_1.py --runs=RUN,RUN,RUN
"""

from absl import flags as absl_flags

from node_transfer.training import command_line

absl_flags.DEFINE_list("runs", None, "Run directories, with commas.", required=True)


def main():
    from node_transfer.analysis import tables

    runs = absl_flags.FLAGS.runs
    print("Table I: accuracy, ours | paper\n")
    print(tables.table_1(runs))
    print(f"\nOurs:\n{tables.provenance(runs)}")
    print("The paper's: EfficientNetB0, ImageNet weights; CIFAR-10, 200/100/160 epochs.")


if __name__ == "__main__":
    command_line.run(main)
