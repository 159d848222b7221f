"""Trains the paper's NODE-RK: `node-transfer train node_rk`."""

from node_transfer.cli.main import main

if __name__ == "__main__":
    main("train", "node_rk")
