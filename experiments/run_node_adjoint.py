"""Trains the paper's NODE-adjoint: `node-transfer train node_adjoint`."""

from node_transfer.cli.main import main

if __name__ == "__main__":
    main("train", "node_adjoint")
