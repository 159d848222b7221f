"""Prints the paper's Table I from runs: `node-transfer table`."""

from node_transfer.cli.main import main

if __name__ == "__main__":
    main("table")
