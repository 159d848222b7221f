"""Makes the reproduction and its report: `node-transfer reproduce`."""

from node_transfer.cli.main import main

if __name__ == "__main__":
    main("reproduce")
