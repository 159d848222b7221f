"""Solves a trained model's block in other ways: `node-transfer sweep-tolerance`."""

from node_transfer.cli.main import main

if __name__ == "__main__":
    main("sweep-tolerance")
