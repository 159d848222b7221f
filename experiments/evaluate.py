"""Evaluates a saved model: `node-transfer evaluate`."""

from node_transfer.cli.main import main

if __name__ == "__main__":
    main("evaluate")
