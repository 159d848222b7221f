"""Trains the paper's baseline: `node-transfer train baseline`."""

from node_transfer.cli.main import main

if __name__ == "__main__":
    main("train", "baseline")
